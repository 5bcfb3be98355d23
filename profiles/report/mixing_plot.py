"""Context mixing as SVG: lines over the layers, and the map of one scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.patches import PathPatch
from matplotlib.path import Path

from profiles.inside.mixing.scopes import TITLES
from profiles.report.figure import HEAT, SERIES, Drawing

# Depths of colour: one outline holds all cells of a depth, which keeps a page small.
_DEPTHS = 12
_DASHES = ("-", "--")
# A scope has one colour in all plots, whichever others are beside it.
_COLORS = dict(zip(TITLES, SERIES, strict=False))
_STEPS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)


def draw_lines(
    key: str, label: str, unit: str, lines: Mapping[str, Sequence[Sequence[float | None]]]
) -> str:
    """Values by layer.

    Args:
        key: begins the element ids.
        label: what they are.
        unit: of the axis.
        lines: by scope, one or two rows of a value a layer; the second is dashed.
    """
    with Drawing(4.2, 2.6, (0.6, 0.14, 0.5, 0.36)) as drawing:
        axes = drawing.axes
        for scope, rows in lines.items():
            for row, dash in zip(rows, _DASHES, strict=False):
                values = [float("nan") if value is None else value for value in row]
                shown = TITLES[scope] if dash == "-" else None
                axes.plot(values, color=_COLORS[scope], ls=dash, lw=1.3, label=shown)
        axes.set_xlabel("layer")
        axes.set_ylabel(unit)
        axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        drawing.legend()
        return drawing.svg(
            key, f"{label}, by layer: {', '.join(TITLES[scope] for scope in lines)}."
        )


def draw_map(key: str, label: str, rows: Sequence[Sequence[float]], most: float) -> str:
    """One map, the darker the larger the share; colours follow the square root.

    Args:
        key: begins the element ids.
        label: what it is.
        rows: a target's shares, source by source up to itself.
        most: the share that gets the deepest colour, as whatever is above it.
    """
    cells: dict[int, list[tuple[int, int]]] = {}
    for target, row in enumerate(rows):
        for source, share in enumerate(row):
            depth = round(_DEPTHS * min(1.0, (share / most) ** 0.5)) if most else 0
            if depth:
                cells.setdefault(depth, []).append((source, target))
    with Drawing(3.3, 3.2, (0.42, 0.08, 0.42, 0.08)) as drawing:
        axes = drawing.axes
        axes.grid(visible=False)
        for depth, at in sorted(cells.items()):
            outline = Path.make_compound_path(*(_cell(x, y) for x, y in at))
            alpha = depth / _DEPTHS
            axes.add_artist(PathPatch(outline, fc=HEAT, ec="none", alpha=alpha))
        axes.set_xlim(-0.5, len(rows) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("source")
        axes.set_ylabel("target")
        return drawing.svg(key, label)


def draw_scale(key: str, most: float) -> str:
    """Which share has which colour in `draw_map`.

    Args:
        key: begins the element ids.
        most: as there.
    """
    steps = [step for step in _STEPS if step <= most] if most else [0.0]
    # The deepest colour has its share written, unless a round one is so near that both overlap.
    if most and (most**0.5 - steps[-1] ** 0.5) / most**0.5 > 0.1:
        steps.append(most)
    elif len(steps) > 1:
        steps[-1] = most
    with Drawing(3.3, 0.5, (0.42, 0.28, 0.24, 0.04)) as drawing:
        axes = drawing.axes
        axes.grid(visible=False)
        for depth in range(1, _DEPTHS + 1):
            cell = _cell(depth, 0)
            axes.add_artist(PathPatch(cell, fc=HEAT, ec="none", alpha=depth / _DEPTHS))
        axes.set_xlim(-0.5, _DEPTHS + 0.5)
        axes.set_ylim(-0.5, 0.5)
        axes.set_yticks([])
        at = [_DEPTHS * (step / most) ** 0.5 if most else 0 for step in steps]
        labels = [_percent(step) for step in steps]
        labels[-1] = f"≥ {labels[-1]}"
        axes.set_xticks(at, labels)
        return drawing.svg(
            key, f"Scale of colours: the darkest is a share of {_percent(most)} or more."
        )


def _percent(share: float) -> str:
    return f"{share:.1%}" if 0 < share < 0.01 else f"{share:.0%}"


def _cell(x: int, y: int) -> Path:
    left, right, top, bottom = x - 0.5, x + 0.5, y - 0.5, y + 0.5
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return Path(corners, closed=True)
