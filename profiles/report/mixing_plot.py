"""Context mixing as SVG: lines over the layers, and the map of one scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.patches import PathPatch
from matplotlib.path import Path

from profiles.report.figure import HEAT, SERIES, Drawing

# Depths of colour: one outline holds all cells of a depth, which keeps a page small.
_DEPTHS = 12
_DASHES = ("-", "--")


def draw_lines(
    key: str, label: str, unit: str, lines: Mapping[str, Sequence[Sequence[float | None]]]
) -> str:
    """Values by layer.

    Args:
        key: begins the element ids.
        label: what they are.
        unit: of the axis.
        lines: by name, one or two rows of a value a layer; the second is dashed.
    """
    with Drawing(4.2, 2.6, (0.52, 0.14, 0.5, 0.36)) as drawing:
        axes = drawing.axes
        for n, (name, rows) in enumerate(lines.items()):
            for row, dash in zip(rows, _DASHES, strict=False):
                values = [float("nan") if value is None else value for value in row]
                shown = name if dash == "-" else None
                axes.plot(values, color=SERIES[n], ls=dash, lw=1.3, label=shown)
        axes.set_xlabel("layer")
        axes.set_ylabel(unit)
        axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        drawing.legend()
        return drawing.svg(key, f"{label}, by layer: {', '.join(lines)}.")


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


def _cell(x: int, y: int) -> Path:
    left, right, top, bottom = x - 0.5, x + 0.5, y - 0.5, y + 0.5
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return Path(corners, closed=True)
