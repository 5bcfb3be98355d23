"""The page's section on memories, from what a store tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from profiles.report.by_layer_plot import draw_layers


def memories_section(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the section's template shows: the facts, and plots as SVG.

    Args:
        facts: see `memories_facts`.
    """
    return {**facts, "plots": [Markup(svg) for svg in _plots(facts["layers"])]}


def _plots(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    def column(part: str, name: str) -> list[float | None]:
        return [row[part][name] for row in rows]

    plots = [
        draw_layers(
            "in-refinement",
            "The final prediction in the residual stream",
            {
                "first before": column("refinement", "before_is_final"),
                "first after": column("refinement", "after_is_final"),
                "probability after": column("refinement", "after_probability"),
            },
        ),
        draw_layers(
            "in-composition",
            "How layers compose their memories",
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
            draw_layers("in-agreement", "Values that promote what follows their trigger", series)
        )
    return plots
