"""What `langsteer policy explain` shows on screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show(facts: Mapping[str, Any]) -> None:
    """Print what `explain` found."""
    console = Console()
    if facts["result"] == "passes":
        console.print("This route makes no text: the policy lets it pass.")
        return
    rules = Table("rule", "", title="Rules, in order")
    for each in facts["passed_over"]:
        rules.add_row(escape(each["rule"]), escape(each["why"]))
    if facts["rule"]:
        rules.add_row(escape(facts["rule"]), "[bold]met[/bold]")
    console.print(rules)
    if facts["sources"]:
        sources = Table("source", "profile", "", title="Sources, in order")
        for each in facts["sources"]:
            sources.add_row(each["source"], each["profile"] or "-", escape(each["note"]))
        console.print(sources)
    console.print(f"Result: [bold]{facts['result']}[/bold]")
    for name, value in facts["headers"].items():
        console.print(f"  {name}: {escape(value)}", soft_wrap=True)
    if monitor := facts["monitor"]:
        left_out = ", ".join(monitor["exclude"]) or "nothing"
        console.print(f"Monitor: {left_out} not counted, {monitor['tolerate']:g} tolerated")
    if enforce := facts["enforce"]:
        strengths = ", ".join(f"{each:g}" for each in enforce["strengths"])
        skipped = f"; not this request: {enforce['skipped']}" if enforce["skipped"] else ""
        again = f"asks again on {' or '.join(enforce['on'])} with {strengths}"
        console.print(f"Enforce: {again}{skipped}", soft_wrap=True)
    if error := facts["error"]:
        console.print(f"  HTTP {facts['status']}: {escape(error['message'])}", soft_wrap=True)
