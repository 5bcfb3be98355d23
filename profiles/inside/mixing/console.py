"""A study's tables on screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from profiles.inside.mixing.scopes import SHORT


def show_study(facts: Mapping[str, Any], files: Iterable[Path]) -> None:
    """The tables of `langsteer contextualize`; `files` is what was written, if anything."""
    console = Console()
    languages = ", ".join(f"{piece['language']}" for piece in facts["pieces"])
    console.print(
        f"{len(facts['tokens'])} tokens ({languages}); {facts['dtype']}; parts sum to the model's "
        f"own vectors within {facts['completeness']:.1e}; integrated gradients to the FF's "
        f"output within {_worst(facts):.1e}"
    )
    console.print(_layers(facts))
    console.print(_pairs(facts["layers"], "ff", "by the FF"))
    if steered := facts["steered"]:
        console.print(_disturbance(steered, facts["scopes"]))
    for file in files:
        console.print(f"Written to {file}")


def _worst(facts: Mapping[str, Any]) -> float:
    rows = [*facts["layers"], *(facts["steered"]["layers"] if facts["steered"] else [])]
    return float(max(row["completeness"]["ff"] for row in rows))


def _layers(facts: Mapping[str, Any]) -> Table:
    scopes = facts["scopes"]
    table = Table(title=f"{facts['model']}: context mixing by layer and scope")
    table.add_column("layer", justify="right")
    for scope in scopes:
        table.add_column(f"r {SHORT[scope]}", justify="right")
    for scope in scopes[1:]:
        table.add_column(f"Δ {SHORT[scope]}", justify="right")
    table.add_column("Δ block", justify="right")
    table.add_column("1st token", justify="right")
    for row in facts["layers"]:
        table.add_row(
            str(row["layer"]),
            *(_number(row["mixing_ratio"][scope]) for scope in scopes),
            *(_number(row["change"][scope]) for scope in scopes[1:]),
            _number(row["change_from_attention"][scopes[-1]]),
            f"{row['first_token']:.0%}",
        )
    table.caption = (
        "r: mixing ratio, mean over tokens. Δ: change of the map from the scope before (block: "
        "from attention to the end), 1 − Spearman. 1st token: its share of the context."
    )
    return table


def _pairs(rows: Iterable[Mapping[str, Any]], which: str, by: str) -> Table:
    table = Table(
        title=f"Pairs (target ← source) amplified and reduced most {by}, % of the context"
    )
    for name in ("layer", "amplified", "reduced"):
        table.add_column(name, justify="right" if name == "layer" else "left")
    for row in rows:
        found = row["pairs"][which]
        table.add_row(
            str(row["layer"]),
            *("  ".join(map(_pair, found[k][:3])) for k in ("amplified", "reduced")),
        )
    return table


def _pair(pair: Mapping[str, Any]) -> str:
    target, source = (escape(token.strip() or "␣") for token in pair["tokens"])
    shown = f"{target} ← {source}" if pair["target"] != pair["source"] else f"{target} ← itself"
    return f"{shown} {100 * pair['before']:.0f}→{100 * pair['after']:.0f}"


def _disturbance(steered: Mapping[str, Any], scopes: list[str]) -> Table:
    rows = steered["disturbance"]
    last = scopes[-1]
    # All of them are in the JSON; a screen has no room for norms beside the languages.
    shown = [scope for scope in scopes if scope in ("attention", "ff", last)]
    table = Table(
        title=f"Steered by {steered['profile']} ({steered['role']}, × {steered['strength']:g}) "
        "against unsteered, the same text"
    )
    table.add_column("layer", justify="right")
    for scope in shown:
        table.add_column(f"Δ {SHORT[scope]}", justify="right")
    for name in ("r", "edit in FF", "edit"):
        table.add_column(name, justify="right")
    languages = [*rows[0]["languages"]]
    for tag in languages:
        table.add_column(f"from {tag}, %", justify="right")
        table.add_column(f"Δ {tag}", justify="right")
    for row in rows:
        cells = [str(row["layer"]), *(_number(row["change"][scope]) for scope in shown)]
        cells.append(f"{row['mixing_before'][last]:.2f}→{row['mixing_after'][last]:.2f}")
        cells += [f"{row['edit_share'][scope]:.0%}" for scope in ("ff", last)]
        for tag in languages:
            found = row["languages"][tag]
            cells += [
                f"{100 * found['share_before']:.0f}→{100 * found['share_after']:.0f}",
                _number(found["change"]),
            ]
        table.add_row(*cells)
    table.caption = (
        "Δ: 1 − Spearman between the two maps of a scope; Δ <language>: of the sources in it. "
        "r: mixing ratio after the whole block. edit: its share of norms, in the FF's output and "
        "at the end. from: share of context that comes from a language's tokens."
    )
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
