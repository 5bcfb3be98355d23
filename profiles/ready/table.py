"""The README's tables of the ready-made profiles, from their evaluation.

`python -m profiles.ready.table` prints them; a test holds the README to them.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("gemma-3-270m") / "evaluation.json"
_TOWARDS = ("bos", "paragraph", "other", "mid")
_AWAY = ("denied-paragraph", "denied-line", "denied-mid")
_Row = Mapping[str, Any]


def towards(result: Mapping[str, Any]) -> list[str]:
    """Markdown rows: a language each, then their mean."""
    damage = _steered(result, "target")
    rows = []
    for language, ratios in damage.items():
        before, after = _cells(result, "target", language)
        rows.append(
            [
                language,
                *(_pair(before, after, name, "success") for name in _TOWARDS),
                _means(before, after, "repetition"),
                f"×{after['bos']['bits_ratio_own']['value']:.2f}",
                f"×{ratios[language]['value']:.2f}",
            ]
        )
    every = [_cells(result, "target", language) for language in damage]
    mean = [
        "mean",
        *(f"{_percent(a[name]['success'] for _, a in every):.0f}" for name in _TOWARDS),
        _mean_pair(every, "repetition"),
        f"×{statistics.mean(a['bos']['bits_ratio_own']['value'] for _, a in every):.2f}",
        f"×{_geometric(ratios[language]['value'] for language, ratios in damage.items()):.2f}",
    ]
    return [_line(row) for row in (*rows, mean)]


def away(result: Mapping[str, Any]) -> list[str]:
    """Markdown rows: a suppressed language each, then their mean."""
    rows, others = [], []
    damage = _steered(result, "suppress")
    for language, ratios in damage.items():
        before, after = _cells(result, "suppress", language)
        rest = {tag: found["value"] for tag, found in ratios.items() if tag != language}
        worst = max(rest, key=lambda tag: rest[tag])
        others.append(_geometric(rest.values()))
        rows.append(
            [
                language,
                *(_pair(before, after, name, "denied") for name in _AWAY),
                _means(before, after, "repetition"),
                f"×{others[-1]:.2f}",
                f"{worst} ×{rest[worst]:.2f}",
            ]
        )
    every = [_cells(result, "suppress", language) for language in damage]
    mean = [
        "mean",
        *(
            f"{_percent(b[name]['denied'] for b, _ in every):.0f} → "
            f"{_percent(a[name]['denied'] for _, a in every):.0f}"
            for name in _AWAY
        ),
        _mean_pair(every, "repetition"),
        f"×{_geometric(others):.2f}",
        "",
    ]
    return [_line(row) for row in (*rows, mean)]


def _steered(result: _Row, role: str) -> dict[str, Any]:
    found = (r for r in result["damage"] if r["role"] == role and r["method"] == "steered")
    return {row["language"]: row["ratios"] for row in found}


def _cells(result: _Row, role: str, language: str) -> tuple[dict[str, _Row], dict[str, _Row]]:
    """The language's cells by condition, unsteered and steered, of those the tables show."""
    shown = _TOWARDS if role == "target" else _AWAY
    mine = (c for c in result["cells"] if (c["role"], c["language"]) == (role, language))
    cells = [cell for cell in mine if cell["condition"] in shown]
    before, after = (
        {c["condition"]: c for c in cells if c["method"] == method}
        for method in ("unsteered", "steered")
    )
    return before, after


def _pair(before: Mapping[str, _Row], after: Mapping[str, _Row], name: str, measure: str) -> str:
    return " → ".join(f"{100 * side[name][measure]['value']:.0f}" for side in (before, after))


def _means(before: Mapping[str, _Row], after: Mapping[str, _Row], measure: str) -> str:
    return " → ".join(
        f"{_percent(cell[measure] for cell in side.values()):.0f}" for side in (before, after)
    )


def _mean_pair(every: Sequence[tuple[Mapping[str, _Row], ...]], measure: str) -> str:
    sides = ((cell[measure] for pair in every for cell in pair[side].values()) for side in (0, 1))
    return " → ".join(f"{_percent(side):.1f}" for side in sides)


def _percent(found: Iterable[_Row]) -> float:
    return 100 * float(statistics.mean(each["value"] for each in found))


def _geometric(ratios: Iterable[float]) -> float:
    return math.exp(statistics.mean(math.log(ratio) for ratio in ratios))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def main() -> None:
    """Print both tables' rows."""
    result = json.loads(FILE.read_text(encoding="utf-8"))
    print("\n".join([*towards(result), "", *away(result)]))


if __name__ == "__main__":
    main()
