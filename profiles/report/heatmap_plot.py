"""Layers by languages, the darker the more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.patches import Rectangle

from profiles.report.figure import HEAT, Drawing

_FAINT = 0.07  # so that a cell with little differs from one with nothing


def draw_heatmap(key: str, label: str, rows: Mapping[str, Sequence[float]]) -> str:
    """Values by language and layer, as SVG.

    Args:
        key: begins the element ids.
        label: what the values are.
        rows: by language, a value of at least 0 a layer.
    """
    layers = max(len(values) for values in rows.values())
    most = max((max(values, default=0) for values in rows.values()), default=0) or 1
    width, height = min(11.0, max(4.2, 0.9 + 0.29 * layers)), 0.75 + 0.26 * len(rows)
    with Drawing(width, height, (0.7, 0.1, 0.5, 0.08)) as drawing:
        axes = drawing.axes
        axes.grid(visible=False)
        for y, values in enumerate(rows.values()):
            for x, value in enumerate(values):
                if value > 0:
                    alpha = _FAINT + (1 - _FAINT) * value / most
                    axes.add_artist(
                        Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, fc=HEAT, ec="none", alpha=alpha)
                    )
        axes.set_xlim(-0.5, layers - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        every = 1 if layers <= 30 else 5
        axes.set_xticks(range(0, layers, every))
        axes.set_yticks(range(len(rows)), [*rows])
        axes.tick_params(length=0)
        axes.set_xlabel("layer")
        peaks = ", ".join(
            f"{tag} in {max(range(len(v)), key=v.__getitem__)}" for tag, v in rows.items()
        )
        return drawing.svg(key, f"{label}, layers by languages. Most at layer: {peaks}.")
