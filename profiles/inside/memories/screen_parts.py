"""Tables that several views of memories share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

SIGNS = {"promotes": "+v promotes", "demotes": "−v promotes"}
_GROUPS = 4
_BEFORE, _AFTER = 40, 20  # characters of a trigger's surroundings


def trigger_table(title: str, rows: Iterable[Mapping[str, Any]]) -> Table:
    """Rows of `list_triggers`."""
    table = Table(title=escape(title))
    table.add_column("coefficient", justify="right", no_wrap=True)
    table.add_column("language", no_wrap=True)
    table.add_column("position", justify="right", no_wrap=True)
    table.add_column(escape("what came before [trigger] what came next"))
    for row in rows:
        before, after = row["before"], row["after"]
        text = Text(before if len(before) <= _BEFORE else "…" + before[-_BEFORE:])
        text.append(f"[{row['token']}]", style="bold reverse")
        text.append(after if len(after) <= _AFTER else after[:_AFTER] + "…", style="dim")
        table.add_row(
            f"{row['coefficient']:.2f}", escape(row["language"]), str(row["position"]), text
        )
    return table


def said_table(title: str, rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """Distributions of `said_account`, by name."""
    table = Table(title=escape(title))
    for column in ("", "most likely tokens", "scripts, %", "languages, %"):
        table.add_column(column, no_wrap=column.endswith("%"))
    for name, way in rows.items():
        table.add_row(
            escape(name),
            escape(" ".join(token["token"] for token in way["tokens"])),
            _masses(way["scripts"]),
            _masses(way["languages"]),
            end_section=True,
        )
    table.caption = "Masses; in brackets, those of a distribution that knows nothing."
    return table


def figures_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of many columns of figures, so narrow that 80 columns do not cut them.

    Args:
        title: of the table.
        columns: their heads; a line end is kept.
        rows: of as many cells.
    """
    table = Table(title=escape(title), box=None, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def language_table(
    console: Console, title: str, corner: str, rows: Mapping[str, Mapping[str, str]]
) -> Table:
    """Figures by language, the languages beside each other where the console has the width.

    Args:
        console: what it will be printed on.
        title: of the table.
        corner: what the rows are.
        rows: cells by name and language, all of the same languages.
    """
    tags = [*next(iter(rows.values()))]
    across = Table(title=escape(title))
    across.add_column(escape(corner))
    for tag in tags:
        across.add_column(escape(tag), justify="right", no_wrap=True)
    for name, cells in rows.items():
        across.add_row(escape(name), *cells.values())
    # By itself a measurement is never wider than the console.
    unbounded = console.options.update(max_width=10_000)
    if console.measure(across, options=unbounded).minimum <= console.width:
        return across
    down = Table(title=escape(title))
    down.add_column("language")
    for name in rows:
        down.add_column(escape(name), justify="right")
    for tag in tags:
        down.add_row(escape(tag), *(cells[tag] for cells in rows.values()))
    return down


def _masses(groups: Mapping[str, Mapping[str, float]]) -> str:
    return "\n".join(
        f"{escape(name)} {100 * m['mass']:.0f} ({100 * m['uniform']:.0f})"
        for name, m in [*groups.items()][:_GROUPS]
    )


def percent(share: float | None, digits: int = 0) -> str:
    """A share in %; "-" for none."""
    return "-" if share is None else f"{100 * share:.{digits}f}%"
