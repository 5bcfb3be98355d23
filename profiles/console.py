"""The offline verbs' tables on screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from profiles.report.clean import clean

# Too much for a table on screen.
_FOR_JSON = ("learning", "scores")


def show_profiles(summary: Mapping[str, Any]) -> None:
    """The table of `langsteer profile`."""
    console = Console()
    _show_warnings(console, summary["warnings"])
    table = Table(title=f"Profiles of {summary['model']}")
    score = summary["score"]
    for name in ("language", "sentences", f"best {score}", "towards", "away"):
        table.add_column(
            name, justify="right" if name in ("sentences", f"best {score}") else "left"
        )
    rows = summary["languages"]
    for row in (row for row in rows if "file" in row):
        best = f"{row['scores']['max']:.2f}" if "scores" in row else "-"
        roles = [_role(row, role) for role in ("target", "suppress")]
        table.add_row(row["language"], str(row["sentences"]), best, *roles)
    table.caption = "Edits; success after held-out lines, and perplexity of the model's own text."
    console.print(table)
    if contrast := [row["language"] for row in rows if "file" not in row]:
        console.print(f"For contrast only: {', '.join(contrast)}")
    files = [Path(row["file"]) for row in rows if "file" in row]
    versions = ", ".join(f"{row['language']}@{row['version']}" for row in rows if "file" in row)
    console.print(f"Written to {files[0].parent}: {versions}")
    top = f"the top {summary['top_share']:.0%} of neurons"
    _show_overlap(console, top, summary["overlap"])
    spent = ", ".join(f"{name} {value:.0f} s" for name, value in summary["seconds"].items())
    console.print(f"Time: {spent}")


def show_scores(facts: Mapping[str, Any], out: Path | None) -> None:
    """The table of `langsteer scores`; `out` is where the facts went, if anywhere."""
    console = Console()
    _show_warnings(console, facts["warnings"])
    table = Table(
        title=f"{facts['model']}, site {facts['site']}: {facts['counted']} units by "
        f"{facts['score']}, % by layer from 0 to {facts['layers'] - 1}"
    )
    for name in ("language", "", facts["score"], "by layer", "by projection"):
        table.add_column(name)
    for row in facts["languages"]:
        for end in (end for end in ("best", "worst") if end in row):
            place = row[end]
            listed = [unit[3] for unit in place["units"]]
            table.add_row(
                row["language"],
                end,
                f"{listed[0]:.2f} to {listed[-1]:.2f}",
                " ".join(f"{100 * share:.0f}" for share in place["share_per_layer"]),
                ", ".join(
                    f"{name.rpartition('.')[2]} {share:.0%}"
                    for name, share in place["share_per_projection"].items()
                ),
            )
    console.print(table)
    _show_overlap(console, "the best", facts["overlap"])
    if out:
        console.print(f"Written to {out}")


def show_profile(facts: Mapping[str, Any]) -> None:
    """The tables of `langsteer inspect profile`: what the file holds."""
    console = Console()
    table = Table(title=shown(facts["file"]), show_header=False)
    for name in ("language", "version", "created", "content_hash"):
        table.add_row(name, shown(facts[name]))
    for name, value in facts["model"].items():
        table.add_row(f"model.{name}", shown(value))
    for role, edit in facts["edits"].items():
        for name, value in edit.items():
            table.add_row(f"{role}.{name}", str(value))
    for role, point in facts["recommended"].items():
        table.add_row(
            f"{role}.recommended",
            f"success {point['success']:.0%}, perplexity ×{point['perplexity']:.2f}, "
            f"repetition {point['repetition']:.0%} ({point['samples']} samples), "
            f"phase {shown(point['advised_phase'])}",
        )
    for name, value in facts["provenance"].items():
        if name not in _FOR_JSON:
            table.add_row(f"provenance.{shown(name)}", shown(value))
    console.print(table)
    console.print("Learning, frontier and scores: --json, or drawn by `langsteer report`.")


def shown(value: object) -> str:
    """Text from a file, with no markup and no escape sequences for the terminal in it."""
    return escape(str(clean(str(value))))


def _show_warnings(console: Console, warnings: Iterable[str]) -> None:
    for warning in warnings:
        console.print(f"[yellow]warning:[/] {warning}")


def _show_overlap(console: Console, chosen: str, pairs: Iterable[Mapping[str, Any]]) -> None:
    """The pairs of languages that share most; `chosen` says of what."""
    if largest := sorted(pairs, key=lambda pair: -pair["share"])[:3]:
        most = ", ".join(f"{'/'.join(p['languages'])} {p['share']:.0%}" for p in largest)
        console.print(f"Overlap of {chosen}, largest: {most}")


def _role(row: Mapping[str, Any], role: str) -> str:
    """What a role edits, and its recommended point's success and perplexity, if calibrated."""
    edit = row["edits"].get(role)
    if edit is None:
        return "-"
    parts = [f"{edit['neurons']} neurons"] if "neurons" in edit else []
    for kind, name in (("offset", "offsets"), ("memory", "memories")):
        layers = edit.get(f"{kind}_layers")
        parts += [f"{len(layers)} {name}"] if layers else []
    text = " + ".join(parts)
    if point := row["recommended"].get(role):
        text += f": {point['success']:.0%}, ×{point['perplexity']:.2f}"
    return text
