"""Shares by layer, as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from profiles.report.figure import SERIES, Drawing
from profiles.report.plain import plain


def draw_layers(key: str, label: str, series: Mapping[str, Sequence[float | None]]) -> str:
    """A line a series, as SVG; those with a value missing are left out.

    Args:
        key: begins the element ids.
        label: what the shares are.
        series: by name, a share a layer.
    """
    said = []
    with Drawing(4.2, 2.6, (0.52, 0.14, 0.5, 0.3)) as drawing:
        axes = drawing.axes
        for n, (name, values) in enumerate(series.items()):
            shares = [100 * value for value in values if value is not None]
            if len(shares) < len(values):
                continue
            axes.plot(shares, label=plain(name), color=SERIES[n], marker="o", markersize=3, lw=1.3)
            peak = max(range(len(shares)), key=shares.__getitem__)
            said.append(f"{name}: at most {shares[peak]:.1f}%, in layer {peak}")
        axes.xaxis.get_major_locator().set_params(integer=True)  # there is no layer 2.5
        axes.set_xlabel("layer")
        axes.set_ylabel("%")
        axes.set_ylim(bottom=0)
        drawing.legend()
        return drawing.svg(key, f"{label}, by layer. {'; '.join(said)}.")
