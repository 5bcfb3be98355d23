"""What `langsteer layers` shows on screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from profiles.inside.layers.readings import HALVES
from profiles.inside.layers.words import SPECIFIC_AT

_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 20


def show_layers(facts: Mapping[str, Any], files: Sequence[Any] = ()) -> None:
    """The tables and sentences; `files` is what was written."""
    console = Console()
    for warning in facts["warnings"]:
        console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)
    model, quarter = escape(facts["model"]["name"]), facts["quarters"]
    named = ", ".join(f"{end} {_range(quarter[end])}" for end in ("input", "middle", "output"))
    console.print(
        f"{model}: {len(facts['languages'])} languages, {facts['lines']} parallel "
        f"lines; layers {named}",
        highlight=False,
    )
    table = Table(
        box=None,
        padding=(0, 2, 0, 0),
        caption="Bars: a layer each, full where it is most specific by the measure.",
    )
    for name in ("measure", "by layer", "input", "middle", "output", "specific at"):
        number = name in ("input", "middle", "output")
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for half in HALVES:
        table.add_row(f"[bold]{half}[/]")
        for row in facts["measures"]:
            if row["half"] == half and "index" in row:
                table.add_row(*_cells(row))
    if facts.get("edits"):
        table.add_row("[bold]edits of profiles[/]")
    for row in facts.get("edits", ()):
        table.add_row(*_edits(row, quarter))
    console.print(table)
    for row in facts.get("edits", ()):
        console.print(
            f"Edits, {_edit_name(row)}: rank correlation over layers with the neurons selected "
            f"by AP {row['correlation']:+.2f}.",
            highlight=False,
        )
    for line in facts["summary"]:
        console.print(line, highlight=False, markup=False)
    for file in files:
        console.print(f"Written to {file}", highlight=False, markup=False)


def _cells(row: Mapping[str, Any]) -> list[str]:
    means = row.get("quarters", {})
    said = row.get("verdict", "-")
    return [
        row["name"],
        _bars(row["index"]),
        *(f"{means[end]:.3f}" if means else "-" for end in ("input", "middle", "output")),
        SPECIFIC_AT.get(said, said),
    ]


def _edits(row: Mapping[str, Any], quarter: Mapping[str, Sequence[int]]) -> list[str]:
    """As a measure's: a layer's mean share in each part of the model."""
    share = row["share"]
    most = max(share)
    means = [
        f"{sum(share[n] for n in quarter[end]) / len(quarter[end]):.3f}" if quarter[end] else "-"
        for end in ("input", "middle", "output")
    ]
    return [_edit_name(row), _bars([value / most for value in share]), *means]


def _edit_name(row: Mapping[str, Any]) -> str:
    return f"{row['kind']}, {row['role']}"


def _bars(index: Sequence[float]) -> str:
    """A bar a layer; of a deep model, one for the most specific of a few."""
    each = -(-len(index) // _MOST_BARS)
    tops = [max(index[start : start + each]) for start in range(0, len(index), each)]
    return "".join(_BARS[min(len(_BARS) - 1, int(len(_BARS) * value))] for value in tops)


def _range(layers: Sequence[int]) -> str:
    if not layers:
        return "none"
    return f"{layers[0]}" if len(layers) == 1 else f"{layers[0]}-{layers[-1]}"
