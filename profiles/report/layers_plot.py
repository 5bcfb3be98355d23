"""Measures by layers, the darker the more specific to languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.patches import Rectangle

from profiles.report.figure import HEAT, INK, Drawing
from profiles.report.plain import plain

_FAINT = 0.05


def draw_specificity(key: str, data: Mapping[str, Any]) -> str:
    """Every measure by layer, from the least specific layer to the most specific one, as SVG.

    Args:
        key: begins the element ids.
        data: see `read_layers_file`.
    """
    rows = [row for row in data["measures"] if row["index"] is not None]
    layers = data["layers"]
    width = min(11.0, max(5.5, 2.5 + 0.29 * layers))
    with Drawing(width, 0.75 + 0.24 * len(rows), (2.3, 0.1, 0.5, 0.08)) as drawing:
        axes = drawing.axes
        axes.grid(visible=False)
        for y, row in enumerate(rows):
            for x, value in enumerate(row["index"]):
                alpha = _FAINT + (1 - _FAINT) * min(max(value, 0.0), 1.0)
                cell = Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, fc=HEAT, ec="none", alpha=alpha)
                axes.add_artist(cell)
        if middle := data["quarters"]["middle"]:
            for border in (min(middle) - 0.5, max(middle) + 0.5):
                axes.axvline(border, color=INK, linewidth=1, linestyle=":")
        axes.set_xlim(-0.5, layers - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xticks(range(0, layers, 1 if layers <= 30 else 5))
        names = [f"{row['half']}: {plain(row['name'])}" for row in rows]
        axes.set_yticks(range(len(rows)), names)
        axes.tick_params(length=0)
        axes.set_xlabel("layer")
        peaks = ", ".join(
            f"{name} in {max(range(layers), key=row['index'].__getitem__)}"
            for name, row in zip(names, rows, strict=True)
        )
        return drawing.svg(
            key, f"Language specificity, measures by layers. Most at layer: {peaks}."
        )
