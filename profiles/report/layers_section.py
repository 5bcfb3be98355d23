"""The page's section on how specific to languages each layer is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from profiles.inside.layers.words import SPECIFIC_AT
from profiles.report.layers_plot import draw_specificity


def layers_section(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the template layers.html takes beside the data: "svg", and "rows" by half.

    Args:
        data: see `read_layers_file`.
    """
    judged = [row for row in data["measures"] if row["index"] is not None]
    halves = dict.fromkeys(row["half"] for row in data["measures"])
    return {
        "svg": Markup(draw_specificity("layers", data)) if judged else None,
        "rows": {half: [row for row in judged if row["half"] == half] for half in halves},
        "said": {row["verdict"]: SPECIFIC_AT.get(row["verdict"], row["verdict"]) for row in judged},
    }
