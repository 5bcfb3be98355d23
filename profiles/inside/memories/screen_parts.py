"""Tables that several views of memories share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

SIGNS = {"promotes": "+v promotes", "demotes": "−v promotes"}
_GROUPS = 4
_BEFORE, _AFTER = 40, 20  # characters of a trigger's surroundings


def trigger_table(title: str, rows: Iterable[Mapping[str, Any]]) -> Table:
    """Rows of `list_triggers`."""
    table = Table(title=escape(title))
    table.add_column("coefficient", justify="right")
    table.add_column("language")
    table.add_column("position", justify="right")
    table.add_column(escape("what came before [trigger] what came next"))
    for row in rows:
        before, after = row["before"], row["after"]
        text = Text(before if len(before) <= _BEFORE else "…" + before[-_BEFORE:])
        text.append(f"[{row['token']}]", style="bold reverse")
        text.append(after if len(after) <= _AFTER else after[:_AFTER] + "…", style="dim")
        table.add_row(f"{row['coefficient']:.2f}", row["language"], str(row["position"]), text)
    return table


def said_table(title: str, rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """Distributions of `said_account`, by name."""
    table = Table(title=escape(title))
    for column in ("", "most likely tokens", "scripts, %", "languages, %"):
        table.add_column(column)
    for name, way in rows.items():
        table.add_row(
            name,
            escape(" ".join(token["token"] for token in way["tokens"])),
            _masses(way["scripts"]),
            _masses(way["languages"]),
            end_section=True,
        )
    table.caption = "Masses; in brackets, those of a distribution that knows nothing."
    return table


def _masses(groups: Mapping[str, Mapping[str, float]]) -> str:
    return "\n".join(
        f"{name} {100 * m['mass']:.0f} ({100 * m['uniform']:.0f})"
        for name, m in [*groups.items()][:_GROUPS]
    )


def percent(share: float | None, digits: int = 0) -> str:
    """A share in %; "-" for none."""
    return "-" if share is None else f"{100 * share:.{digits}f}%"
