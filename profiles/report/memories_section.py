"""The page's section on memories, from what a store tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from profiles.inside.memories.named import FURTHEST
from profiles.report.by_layer_plot import draw_layers


def memories_section(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the section's template shows: the facts, plots as SVG, and who has a row of its own.

    Args:
        facts: see `memories_facts`.
    """
    plots = [(title, says, Markup(svg)) for title, says, svg in _plots(facts["layers"])]
    rows = {f"{row['layer']}.{row['neuron']}" for row in facts["neurons"]}
    return {**facts, "plots": plots, "has_row": rows, "furthest": FURTHEST}


def _plots(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """(title, how to read it, SVG) of each."""

    def column(part: str, name: str) -> list[float | None]:
        return [row[part][name] for row in rows]

    plots = [
        _plot(
            "in-refinement",
            "The final prediction in the residual stream",
            "is the first token before and after the FFN; its probability after it.",
            {
                "first before": column("refinement", "before_is_final"),
                "first after": column("refinement", "after_is_final"),
                "probability after": column("refinement", "after_probability"),
            },
        ),
        _plot(
            "in-composition",
            "How layers compose their memories",
            "by whose first token the layer's output, and the stream after it, have.",
            {
                "agrees with none": column("composition", "agrees_with_no_memory"),
                "with the largest": column("composition", "agrees_with_largest"),
                "sum is neither's": column("refinement", "from_neither"),
            },
        ),
    ]
    if all(row["agreement"] for row in rows):
        ways = {"+v": ("promotes", "first"), "-v": ("demotes", "first")}
        series = {
            name: [row["agreement"][way][figure] for row in rows]
            for name, (way, figure) in {**ways, "by chance": ("promotes", "by_chance")}.items()
        }
        plots.append(
            _plot(
                "in-agreement",
                "Values that promote what follows their trigger",
                "as their first token; with the sign turned, after their most negative trigger.",
                series,
            )
        )
    return plots


def _plot(
    key: str, title: str, says: str, series: Mapping[str, Sequence[float | None]]
) -> tuple[str, str, str]:
    return title, says, draw_layers(key, title, series)
