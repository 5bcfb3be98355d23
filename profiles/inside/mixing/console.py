"""A study's tables on screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from profiles.inside.mixing.scopes import SHORT

# Of either kind a layer; the account has as many as were asked for.
_PAIRS = 3
# A table of more does not fit a terminal of 80 columns.
_LANGUAGES = 3


def show_study(facts: Mapping[str, Any], files: Iterable[Path]) -> None:
    """The tables of `langsteer contextualize`; `files` is what was written, if anything."""
    console = Console()
    languages = ", ".join(f"{piece['language']}" for piece in facts["pieces"])
    console.print(
        f"{len(facts['tokens'])} tokens ({languages}); {facts['dtype']}; parts sum to the model's "
        f"own vectors within {facts['completeness']:.1e}; integrated gradients to the FF's "
        f"output within {_worst(facts):.1e}"
    )
    console.print(_ratios(facts))
    console.print(_changes(facts))
    if any(found for row in facts["layers"] for found in row["pairs"]["ff"].values()):
        console.print(_pairs(facts["layers"], console.width))
    if steered := facts["steered"]:
        console.print(_disturbance(steered, facts["scopes"]))
        tags = [*steered["disturbance"][0]["languages"]]
        for n in range(0, len(tags), _LANGUAGES):
            console.print(_by_language(steered, tags[n : n + _LANGUAGES]))
    for file in files:
        console.print(f"Written to {escape(str(file))}", soft_wrap=True)


def _worst(facts: Mapping[str, Any]) -> float:
    rows = [*facts["layers"], *(facts["steered"]["layers"] if facts["steered"] else [])]
    return float(max(row["completeness"]["ff"] for row in rows))


def _table(title: str, caption: str, columns: Sequence[str]) -> Table:
    """Of figures, none of which is ever cut."""
    table = Table(title=escape(title), caption=caption)
    for name in ("layer", *columns):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _ratios(facts: Mapping[str, Any]) -> Table:
    scopes = facts["scopes"]
    table = _table(
        f"{facts['model']['name']}: mixing ratio by layer and scope",
        "Mean over tokens. 1st token: its share of the context.",
        [*(SHORT[scope] for scope in scopes), "1st token"],
    )
    for row in facts["layers"]:
        ratios = (_number(row["mixing_ratio"][scope]) for scope in scopes)
        table.add_row(str(row["layer"]), *ratios, f"{row['first_token']:.0%}")
    return table


def _changes(facts: Mapping[str, Any]) -> Table:
    scopes = facts["scopes"]
    table = _table(
        "Change Δ of the map by layer",
        "1 − Spearman, from the scope before; block: from attention to the end.",
        [*(f"Δ {SHORT[scope]}" for scope in scopes[1:]), "Δ block"],
    )
    for row in facts["layers"]:
        steps = (_number(row["change"][scope]) for scope in scopes[1:])
        block = _number(row["change_from_attention"][scopes[-1]])
        table.add_row(str(row["layer"]), *steps, block)
    return table


def _pairs(rows: Iterable[Mapping[str, Any]], width: int) -> Table:
    table = Table(
        title="Pairs (target ← source) amplified and reduced most by the FF, % of the context",
        caption=f"At most {_PAIRS} of either kind; --json and mixing.json have all of --pairs.",
    )
    for name in ("layer", "amplified", "reduced"):
        table.add_column(name, justify="right" if name == "layer" else "left")
    # What borders and the first column leave of the screen, in halves.
    room = max(20, (width - 15) // 2)
    for row in rows:
        found = row["pairs"]["ff"]
        kinds = (found[kind][:_PAIRS] for kind in ("amplified", "reduced"))
        table.add_row(str(row["layer"]), *(_lines(map(_pair, some), room) for some in kinds))
    return table


def _lines(parts: Iterable[str], room: int) -> Text:
    """Beside each other while they fit: no pair is broken."""
    lines: list[str] = []
    for part in parts:
        if lines and cell_len(lines[-1]) + 2 + cell_len(part) <= room:
            lines[-1] += f"  {part}"
        else:
            lines.append(part)
    return Text("\n".join(lines))


def _pair(pair: Mapping[str, Any]) -> str:
    target, source = (token.strip() or "␣" for token in pair["tokens"])
    shown = f"{target} ← {source}" if pair["target"] != pair["source"] else f"{target} ← itself"
    return f"{shown} {100 * pair['before']:.0f}→{100 * pair['after']:.0f}"


def _disturbance(steered: Mapping[str, Any], scopes: list[str]) -> Table:
    last = scopes[-1]
    # All of them are in the JSON; a screen has no room for norms.
    shown = [scope for scope in scopes if scope in ("attention", "ff", last)]
    table = _table(
        f"Steered by {steered['profile']} ({steered['role']}, × {steered['strength']:g}) "
        "against unsteered, the same text",
        "Δ: 1 − Spearman between the two maps of a scope. r: mixing ratio after the whole block. "
        "edit: its share of norms, in the FF's output and at the end.",
        [*(f"Δ {SHORT[scope]}" for scope in shown), "r", "edit in FF", "edit"],
    )
    for row in steered["disturbance"]:
        table.add_row(
            str(row["layer"]),
            *(_number(row["change"][scope]) for scope in shown),
            f"{row['mixing_before'][last]:.2f}→{row['mixing_after'][last]:.2f}",
            *(f"{row['edit_share'][scope]:.0%}" for scope in ("ff", last)),
        )
    return table


def _by_language(steered: Mapping[str, Any], languages: Sequence[str]) -> Table:
    table = _table(
        "The same by language of the source",
        "from: % of the context that comes from a language's tokens. Δ: of the maps, its tokens "
        "as sources alone.",
        [name for tag in languages for name in (f"from {tag}, %", f"Δ {tag}")],
    )
    for row in steered["disturbance"]:
        cells = []
        for tag in languages:
            found = row["languages"][tag]
            shares = (100 * found[f"share_{when}"] for when in ("before", "after"))
            cells += ["→".join(f"{share:.0f}" for share in shares), _number(found["change"])]
        table.add_row(str(row["layer"]), *cells)
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
