"""The offline verbs' tables on screen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

# Too much for a table on screen.
_FOR_JSON = ("learning", "scores")


def show_profiles(summary: Mapping[str, Any]) -> None:
    """The table of `langsteer profile`."""
    console = Console()
    for warning in summary["warnings"]:
        console.print(f"[yellow]warning:[/] {warning}")
    table = Table(title=f"Profiles of {summary['model']}")
    score = summary["score"]
    for name in ("language", "sentences", f"best {score}", "towards", "away"):
        table.add_column(
            name, justify="right" if name in ("sentences", f"best {score}") else "left"
        )
    rows = summary["languages"]
    for row in (row for row in rows if "file" in row):
        best = f"{row['scores']['max']:.2f}"
        roles = [_role(row, role) for role in ("target", "suppress")]
        table.add_row(row["language"], str(row["sentences"]), best, *roles)
    table.caption = "Edits; success and perplexity of other text under them, on held-out lines."
    console.print(table)
    if contrast := [row["language"] for row in rows if "file" not in row]:
        console.print(f"For contrast only: {', '.join(contrast)}")
    files = [Path(row["file"]) for row in rows if "file" in row]
    versions = ", ".join(f"{row['language']}@{row['version']}" for row in rows if "file" in row)
    console.print(f"Written to {files[0].parent}: {versions}")
    pairs = sorted(summary["overlap"], key=lambda pair: -pair["share"])[:3]
    if pairs:
        most = ", ".join(f"{'/'.join(p['languages'])} {p['share']:.0%}" for p in pairs)
        console.print(f"Overlap of the top {summary['top_share']:.0%} of neurons, largest: {most}")
    spent = ", ".join(f"{name} {value:.0f} s" for name, value in summary["seconds"].items())
    console.print(f"Time: {spent}")


def show_profile(facts: Mapping[str, Any]) -> None:
    """The tables of `langsteer inspect`."""
    console = Console()
    table = Table(title=f"{facts['file']}", show_header=False)
    for name in ("language", "version", "created", "content_hash"):
        table.add_row(name, str(facts[name]))
    for name, value in facts["model"].items():
        table.add_row(f"model.{name}", str(value))
    for role, edit in facts["edits"].items():
        for name, value in edit.items():
            table.add_row(f"{role}.{name}", str(value))
    for role, point in facts["recommended"].items():
        table.add_row(
            f"{role}.recommended",
            f"success {point['success']:.0%}, perplexity ×{point['perplexity']:.2f}, "
            f"repetition {point['repetition']:.0%} ({point['samples']} samples), "
            f"phase {point['advised_phase']}",
        )
    for name, value in facts["provenance"].items():
        if name not in _FOR_JSON:
            table.add_row(f"provenance.{name}", str(value))
    console.print(table)
    console.print("Learning, frontier and scores: --json, or drawn by `langsteer report`.")


def _role(row: Mapping[str, Any], role: str) -> str:
    """What a role edits, and its recommended point's success and perplexity, if calibrated."""
    edit = row["edits"].get(role)
    if edit is None:
        return "-"
    parts = [f"{edit['neurons']} neurons"] if "neurons" in edit else []
    parts += [f"{len(edit['offset_layers'])} layers"] if "offset_layers" in edit else []
    text = " + ".join(parts)
    if point := row["recommended"].get(role):
        text += f": {point['success']:.0%}, ×{point['perplexity']:.2f}"
    return text
