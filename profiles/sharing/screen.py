"""Shared profiles on screen."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from profiles.console import shown
from profiles.sharing.figures import ROLES, point_words

_WIDTH = 120  # where no terminal says how wide it is
_TITLES = {"target": "towards", "suppress": "away"}
_CAPTION = (
    "Edit; at strength 1: success, perplexity of the model's own text × unedited, repetition."
)


def console() -> Console:
    """Wide enough for a table where nobody watches."""
    found = Console()
    return found if found.is_terminal or "COLUMNS" in os.environ else Console(width=_WIDTH)


def show_list(where: str, rows: Sequence[Mapping[str, Any]], bad: Sequence[str]) -> None:
    """The table of `langsteer profiles list`."""
    out = console()
    table = Table(title=shown(where))
    for name in ("language", "version", "signed", "made", *_TITLES.values()):
        table.add_column(name)
    for row in rows:
        table.add_row(
            shown(row["language"]),
            row["version"],
            "yes" if row["signed"] else "no",
            shown(row["created"][:10]),
            *(_role(row, role) for role in ROLES),
        )
    if rows:
        models = {(row["model"], row["weights"][:12]) for row in rows}
        table.caption = _CAPTION
        out.print(table)
        of = ", ".join(f"{name} (weights {weights})" for name, weights in sorted(models))
        out.print(f"Of {shown(of)}.", soft_wrap=True)
    show_warnings(bad)


def show_warnings(lines: Sequence[str]) -> None:
    """Lines on standard error."""
    out = Console(stderr=True)
    for line in lines:
        out.print(f"[yellow]warning:[/] {shown(line)}", soft_wrap=True)


def show_changes(verb: str, where: str, changes: Sequence[Mapping[str, Any]]) -> None:
    """What was put where, with the figures of each."""
    out = console()
    table = Table(title=f"{verb} {shown(where)}")
    for name in ("language", "version", "", "signed", *_TITLES.values()):
        table.add_column(name)
    for row in changes:
        before = f" {row['before']}" if row["outcome"] == "replaced" else ""
        table.add_row(
            shown(row["language"]),
            row["version"],
            row["outcome"] + before,
            "yes" if row["signed"] else "no",
            *(_role(row, role) for role in ROLES),
        )
    table.caption = _CAPTION
    out.print(table)


def show_verdicts(rows: Sequence[Mapping[str, Any]]) -> None:
    """The lines of `langsteer profiles verify`."""
    out = console()
    for row in rows:
        verdict = "[red]bad[/] " if row["problem"] else "[green]good[/]"
        checked = f"  {', '.join(row['checked'])}" if row["checked"] else ""
        what = row["problem"] or f"{row['label']}{checked}"
        out.print(f"{verdict} {shown(row['file'])}: {shown(what)}", soft_wrap=True)


def show_difference(facts: Mapping[str, Any]) -> None:
    """The tables of `langsteer profiles diff`, for one profile of each."""
    out = console()
    first, second = (
        f"{tag}@{version}"
        for tag, version in zip(facts["languages"], facts["versions"], strict=True)
    )
    if facts["same"] and not facts["metadata"]:
        out.print(f"{shown(first)}: the same edits, the same metadata")
        return
    title = shown(f"{first} → {second}")
    table = Table(title=title)
    for name in ("", first, second):
        table.add_column(shown(name))
    for name, (one, other) in facts["model"].items():
        table.add_row(f"model.{name}", shown(one), shown(other))
    for role, figures in facts["figures"].items():
        for name, (one, other) in figures.items():
            if one != other:
                table.add_row(f"{role}.{name}", _short(one), _short(other))
    for name, (one, other) in facts["metadata"].items():
        table.add_row(shown(name), shown(one), shown(other))
    out.print(table if table.row_count else title)
    if facts["same"]:
        out.print("The same edits.")
    for role, kinds in facts["edits"].items():
        for kind, edit in kinds.items():
            if edit["added"] or edit["removed"] or edit["changed"]:
                out.print(_edit_table(role, kind, edit))


def _short(figure: object) -> str:
    return f"{figure:.3g}" if isinstance(figure, float) else shown(figure)


def _edit_table(role: str, kind: str, edit: Mapping[str, Any]) -> Table:
    counts = f"{edit['added']} added, {edit['removed']} removed, {edit['changed']} changed"
    norm = f", norm of the difference {edit['difference_norm']:.3f}" if kind == "neurons" else ""
    table = Table(title=f"{_TITLES[role]}, {kind}: {counts}{norm}")
    neurons = kind == "neurons"
    columns = (
        ("layer", "added", "removed", "changed", "same")
        if neurons
        else ("layer", "norm", "norm after", "of the difference", "cosine")
    )
    for name in columns:
        table.add_column(name, justify="right")
    for row in edit["by_layer"]:
        if neurons:
            cells = [row[name] for name in columns]
        else:
            cells = [row["layer"], *row["norms"], row.get("difference_norm"), row.get("cosine")]
        table.add_row(*("-" if cell is None else f"{cell:.3g}" for cell in cells))
    return table


def _role(row: Mapping[str, Any], role: str) -> str:
    if role not in row["edits"]:
        return "-"
    return f"{row['edits'][role]}: {point_words(row['figures'].get(role))}"
