"""The offline verbs' tables on screen."""

from __future__ import annotations

from collections.abc import Mapping
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
    plain, score = ("language", "sentences", "tokens"), summary["score"]
    for name in (*plain, f"{score} p99", f"{score} best", "edits", "success", "perplexity", "file"):
        table.add_column(name, justify="right" if name in ("sentences", "tokens") else "left")
    for row in summary["languages"]:
        scores = row["scores"]
        table.add_row(
            row["language"],
            str(row["sentences"]),
            str(row["tokens"]),
            f"{scores['p99']:.2f}",
            f"{scores['max']:.2f}",
            _edits(row.get("edits")),
            _points(row.get("recommended"), "success", "{:.0%}"),
            _points(row.get("recommended"), "perplexity", "×{:.2f}"),
            f"{row['file']} @{row['version']}" if "file" in row else "(contrast only)",
        )
    console.print(table)
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
            f"repetition {point['repetition']:.0%} ({point['samples']} samples)",
        )
    for name, value in facts["provenance"].items():
        if name not in _FOR_JSON:
            table.add_row(f"provenance.{name}", str(value))
    console.print(table)
    console.print("Learning, frontier and scores: --json, or drawn by `langsteer report`.")


def _edits(edits: Mapping[str, Any] | None) -> str:
    parts = []
    for role, edit in (edits or {}).items():
        neurons = [f"{edit['neurons']} neurons"] if "neurons" in edit else []
        layers = [f"{len(edit['offset_layers'])} layers"] if "offset_layers" in edit else []
        parts.append(f"{role}: {' + '.join(neurons + layers)}")
    return "; ".join(parts)


def _points(points: Mapping[str, Any] | None, what: str, form: str) -> str:
    """Of each role's recommended point, as calibrated on held-out text."""
    return " / ".join(form.format(point[what]) for point in (points or {}).values()) or "-"
