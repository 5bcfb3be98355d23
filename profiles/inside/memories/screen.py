"""Memories on screen: of one neuron, and of a profile's edits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from profiles.inside.memories.screen_parts import SIGNS, language_table, said_table, trigger_table


def show_neuron(facts: Mapping[str, Any]) -> None:
    """The tables of `langsteer inspect neuron`."""
    console = Console()
    name = f"{facts['model']} {facts['layer']}.{facts['neuron']}"
    for end, title in (("high", "highest"), ("low", "most negative")):
        if rows := facts["triggers"][end]:
            counts = facts["trigger_languages"][end]
            languages = ", ".join(f"{tag} {n}" for tag, n in counts.items())
            console.print(trigger_table(f"{name}: {title} coefficients ({languages})", rows))
    if value := facts["value"]:
        console.print(
            said_table(
                f"{name}: what its value says", {sign: value[way] for way, sign in SIGNS.items()}
            )
        )
        for way, end in (("promotes", "high"), ("demotes", "low")):
            if sentence := _agreement(facts["agreement"][way], end):
                console.print(sentence)
    rows = {"mean coefficient": facts["mean"], "active": facts["active"], **facts["scores"]}
    cells = {row: _best_bold(values) for row, values in rows.items()}
    console.print(language_table(console, f"{name}: by language", "", cells))


def show_edits(edits: Mapping[str, Any]) -> None:
    """What a profile's edits say, for `langsteer inspect profile`."""
    console = Console()
    for role, parts in edits.items():
        if whole := parts.get("whole"):
            console.print(_whole(console, role, whole))
        if parts["added"]:
            title = f"{role}: what it adds says, by layer"
            rows = {
                f"{row['kind']} {row['layer']}, norm {row['norm']:.1f}": row["promotes"]
                for row in parts["added"]
            }
            console.print(said_table(title, rows))
        for row in parts.get("keys", []):
            mean = ", ".join(
                f"{tag} {value:.2f}"
                for tag, value in sorted(row["gate"].items(), key=lambda item: -item[1])
            )
            console.print(
                trigger_table(f"{role}: gate of memory {row['layer']} ({mean})", row["triggers"])
            )
        if parts["neurons"]:
            table = Table(title=f"{role}: the neurons it moves furthest")
            for column in ("neuron", "by", "detects", "AP", "then promotes"):
                table.add_column(column, no_wrap=column != "then promotes")
            for row in parts["neurons"]:
                table.add_row(
                    f"{row['layer']}.{row['neuron']}",
                    f"{row['moved']:+.2f}",
                    escape(row["detects"]),
                    f"{row['ap']:.2f}",
                    escape(" ".join(row.get("promotes", []))),
                )
            console.print(table)


def _agreement(found: Mapping[str, Any], end: str) -> str | None:
    if not found["triggers"]:
        return None
    sign = "+v" if end == "high" else "−v"
    return (
        f"Agreement: of {found['triggers']} {end} triggers with a next token, {sign} promotes it "
        f"most in {found['first']}, among the tokens listed in {found['listed']}"
    )


def _best_bold(values: Mapping[str, float]) -> dict[str, str]:
    best = max(values.values())
    return {
        tag: f"[bold]{value:.2f}[/]" if value == best else f"{value:.2f}"
        for tag, value in values.items()
    }


def _whole(console: Console, role: str, whole: Mapping[str, Any]) -> Table:
    texts = ", ".join(whole["languages"])
    table = language_table(
        console,
        f"{role}: the next token in {whole['sentences']} sentences of {texts}",
        "mass, %",
        {
            name: {tag: f"{100 * mass:.0f}" for tag, mass in whole[name].items()}
            for name in ("unedited", "edited")
        },
    )
    listed = {k: " ".join(token["token"] for token in whole[k]) for k in ("gains", "loses")}
    table.caption = escape(f"Gain most: {listed['gains']}. Lose most: {listed['loses']}.")
    return table
