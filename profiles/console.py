"""The offline verbs' tables on screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def show_profiles(summary: Mapping[str, Any]) -> None:
    """The table of `langsteer profile`."""
    console = Console()
    for warning in summary["warnings"]:
        console.print(f"[yellow]warning:[/] {warning}")
    table = Table(title=f"Profiles of {summary['model']}")
    for name in ("language", "sentences", "tokens", "AP p99", "AP best", "edits", "file"):
        table.add_column(name, justify="right" if name in ("sentences", "tokens") else "left")
    for row in summary["languages"]:
        ap = row["average_precision"]
        table.add_row(
            row["language"],
            str(row["sentences"]),
            str(row["tokens"]),
            f"{ap['p99']:.2f}",
            f"{ap['max']:.2f}",
            _edits(row.get("edits")),
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
    for name, value in facts["provenance"].items():
        table.add_row(f"provenance.{name}", str(value))
    console.print(table)


def show_evaluation(result: Mapping[str, Any]) -> None:
    """The table of `langsteer evaluate`."""
    table = Table(title=f"{result['model']}: {result['samples']} samples a cell")
    columns = ("language", "context", "steered", "success", "repetition", "bits/byte")
    for name in columns:
        table.add_column(name)
    for cell in result["cells"]:
        bits = cell["bits_per_byte"]
        table.add_row(
            cell["language"],
            cell["context"],
            "yes" if cell["steered"] else "no",
            f"{cell['success']:.0%}",
            f"{cell['repetition']:.0%}",
            "-" if bits is None else f"{bits:.2f}",
        )
    console = Console()
    console.print(table)
    for mean in result["averages"]:
        kind = "steered" if mean["steered"] else "unsteered"
        console.print(
            f"Average, {mean['context']}, {kind}: success {mean['success']:.0%}, "
            f"repetition {mean['repetition']:.0%}"
        )
    console.print(f"Samples: {result['samples_file']}; {result['seconds']:.0f} s")


def _edits(edits: Mapping[str, Any] | None) -> str:
    parts = []
    for role, edit in (edits or {}).items():
        neurons = [f"{edit['neurons']} neurons"] if "neurons" in edit else []
        layers = [f"{len(edit['offset_layers'])} layers"] if "offset_layers" in edit else []
        parts.append(f"{role}: {' + '.join(neurons + layers)}")
    return "; ".join(parts)
