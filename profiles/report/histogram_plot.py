"""How scores are spread over the neurons: all languages' distributions, few neurons visible too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from profiles.report.figure import SERIES, Drawing


def draw_histogram(key: str, name: str, scores: Mapping[str, Any]) -> str:
    """Neurons by score, on a logarithmic axis, as SVG.

    Args:
        key: begins the element ids.
        name: whose, for the label.
        scores: see `score_histogram`.
    """
    edges, counts = scores["histogram"]["edges"], scores["histogram"]["counts"]
    quantiles = ", ".join(f"{k} {v:.2f}" for k, v in scores["quantiles"].items())
    with Drawing(4.2, 2.3, (0.72, 0.14, 0.5, 0.12)) as drawing:
        axes = drawing.axes
        axes.stairs(counts, edges, fill=True, color=SERIES[0], baseline=0.5)
        axes.set_yscale("log")
        # matplotlib's own would be mathematics, which plots here do not parse.
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_minor_formatter(lambda *_: "")
        axes.set_ylim(bottom=0.5)
        axes.set_xlabel("score")
        axes.set_ylabel("neurons")
        return drawing.svg(key, f"{name}: neurons by score, logarithmic. {quantiles}.")
