"""The page's section on memories, from a store: a self-contained piece of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from profiles.inside.memories.layer_account import layer_account, model_account
from profiles.inside.memories.memory_store import MemoryStore
from profiles.report.layers_plot import draw_layers
from profiles.report.page import Section

_TEMPLATE = "memories.html"


def memories_section(store: MemoryStore) -> Section:
    """A section of the page, see `render`, on the memories of the model that the page is about."""

    def section(environment: Environment) -> tuple[str, str, Markup]:
        html = environment.get_template(_TEMPLATE).render(memories=memories_data(store))
        return "memories", "Memories", Markup(html)

    return section


def memories_data(store: MemoryStore) -> dict[str, Any]:
    """What the section shows; JSON-serialisable but for its plots."""
    facts = model_account(store)
    rows = facts["layers"]
    return {
        "about": dict(store.about),
        "layers": rows,
        "settled": facts["settled_at_layer"],
        "detectors": _detectors(store),
        "plots": [Markup(svg) for svg in _plots(rows)],
    }


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


def _detectors(store: MemoryStore) -> list[dict[str, Any]]:
    """Each language's best detectors of the last layer, and what their values say."""
    last = store.shape[0] - 1
    return [
        {"language": row["language"], "layer": last, "best": row["best"][:3]}
        for row in layer_account(store, last)["languages"]
    ]
