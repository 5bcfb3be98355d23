"""What `langsteer layers` shows on screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from profiles.inside.layers.readings import HALVES

_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 24
_VERDICTS = {"holds": "both ends", "reversed": "neither end"}


def show_layers(facts: Mapping[str, Any], files: Sequence[Any] = ()) -> None:
    """The tables and sentences; `files` is what was written."""
    console = Console()
    for warning in facts["warnings"]:
        console.print(f"[yellow]warning:[/] {warning}", highlight=False)
    quarter = facts["quarters"]
    named = ", ".join(f"{end} {_range(quarter[end])}" for end in ("input", "middle", "output"))
    console.print(
        f"{facts['model']['name']}: {len(facts['languages'])} languages, {facts['lines']} parallel "
        f"lines; layers {named}",
        highlight=False,
    )
    table = Table(caption="Full bar: the layer most specific by the measure; lowest bar: least.")
    for name in ("measure", "specific, by layer", "input", "middle", "output", "more at"):
        number = name in ("input", "middle", "output")
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for half in HALVES:
        table.add_section()
        table.add_row(f"[bold]{half}[/]")
        for row in facts["measures"]:
            if row["half"] == half and "index" in row:
                table.add_row(*_cells(row))
    console.print(table)
    for line in facts["summary"]:
        console.print(line, highlight=False)
    for file in files:
        console.print(f"Written to {file}", highlight=False)


def _cells(row: Mapping[str, Any]) -> list[str]:
    means = row.get("quarters", {})
    said = row.get("verdict", "-")
    return [
        row["name"],
        _bars(row["index"]),
        *(f"{means[end]:.3f}" if means else "-" for end in ("input", "middle", "output")),
        _VERDICTS.get(said, said),
    ]


def _bars(index: Sequence[float]) -> str:
    """A bar a layer; of a deep model, one for the most specific of a few."""
    each = -(-len(index) // _MOST_BARS)
    tops = [max(index[start : start + each]) for start in range(0, len(index), each)]
    return "".join(_BARS[min(len(_BARS) - 1, int(len(_BARS) * value))] for value in tops)


def _range(layers: Sequence[int]) -> str:
    if not layers:
        return "none"
    return f"{layers[0]}" if len(layers) == 1 else f"{layers[0]}-{layers[-1]}"
