"""An evaluation's cells, arranged as the page shows them: by role, then condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from profiles.judging.table import method_label

# Measures by their title; the first stands for both roles' main one.
_SHARES = {
    "2nd id": "second",
    "repeats": "repetition",
    "LPR": "lpr",
    "WPR": "wpr",
    "meaning": "meaning",
    "answer": "answer",
    "kept": "kept",
}
_NUMBERS = {
    "bits/byte": "bits_per_byte",
    "× natural": "bits_ratio",
    "× own": "bits_ratio_own",
    "BLEU": "bleu",
    "chrF": "chrf",
}


def arrange(evaluation: Mapping[str, Any], role: str) -> list[dict[str, Any]]:
    """Of one role, a dict a condition, in the order in which they came.

    Its "means" and "cells" are rows of {"language", "method", "main", "shares", "numbers", "count",
    "samples"}; "methods" and "languages" are theirs; "matrix" is the rows of cells by language,
    then method; "titles" are the measures that any of them has.
    """
    main = "success" if role == "target" else "denied"
    cells = [cell for cell in evaluation["cells"] if cell["role"] == role]
    means = [row for row in evaluation["averages"] if row["role"] == role]
    out = []
    for condition in dict.fromkeys(cell["condition"] for cell in cells):
        own = [_row(c, main) for c in cells if c["condition"] == condition]
        matrix: dict[str, dict[str, Any]] = {}
        for row in own:
            matrix.setdefault(row["language"], {})[row["method"]] = row
        averages = [_row(m, main) for m in means if m["condition"] == condition]
        out.append(
            {
                "name": condition,
                "main": main,
                "cells": own,
                "means": averages,
                "methods": [*dict.fromkeys(row["method"] for row in own)],
                "matrix": matrix,
                "mean_of": {row["method"]: row for row in averages},
                "shares": _present(_SHARES, "shares", [*own, *averages]),
                "numbers": _present(_NUMBERS, "numbers", [*own, *averages]),
            }
        )
    return out


def damage_rows(evaluation: Mapping[str, Any], role: str) -> dict[str, Any]:
    """Perplexity ratios of one role: "texts" are the columns' languages, "rows" by method."""
    rows = [row for row in evaluation["damage"] if row["role"] == role]
    by_method: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_method.setdefault(method_label(row), []).append(row)
    texts = [*dict.fromkeys(tag for row in rows for tag in row["ratios"])]
    return {"texts": texts, "methods": by_method}


def _row(cell: Mapping[str, Any], main: str) -> dict[str, Any]:
    return {
        "language": cell.get("language"),
        "method": method_label(cell),
        "main": cell[main],
        "shares": {title: cell[name] for title, name in _SHARES.items()},
        "numbers": {title: cell[name] for title, name in _NUMBERS.items()},
        "count": cell.get("count"),
        "languages": cell.get("languages_found") or cell["languages"],
        "samples": cell.get("samples", []),
        "edited": cell["method"] != "unsteered",
    }


def _present(titles: Mapping[str, str], part: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [title for title in titles if any(row[part][title] for row in rows)]
