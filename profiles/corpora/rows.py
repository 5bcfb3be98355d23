"""Rows of a table, JSON lines or a dataset's → lines of languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from profiles.corpora.gather import Gather, tag_of
from profiles.errors import CorpusError


def read_rows(
    rows: Iterable[tuple[str, Any]], gather: Gather, columns: Mapping[str, str] | None = None
) -> None:
    """Take rows until there is enough.

    Args:
        rows: (where it stands, {"language" or "lang": tag, "text": sentence}).
        gather: takes the lines; a language's are numbered from 0, those without text included.
        columns: the column of each language's text, by tag, where a row holds translations.

    Raises:
        CorpusError: a row is something else; says where.
    """
    seen: Counter[str] = Counter()
    for where, row in rows:
        fields = row if isinstance(row, Mapping) else {}
        pairs = [_pair(fields, where)] if columns is None else _pairs(fields, columns, where)
        for tag, text in pairs:
            gather.add(tag, seen[tag], text)
            seen[tag] += 1
        if gather.full:  # the next row may be a long way off
            return


def _pair(row: Mapping[str, Any], where: str) -> tuple[str, str]:
    tag, text = row.get("language", row.get("lang")), row.get("text")
    if not isinstance(tag, str) or not isinstance(text, str):
        raise CorpusError(
            f'{where}: expected {{"language": "<tag>", "text": "<sentence>"}}, found the columns '
            f"{', '.join(map(str, row)) or 'of no table'}"
        )
    return tag_of(tag, where), text


def _pairs(row: Mapping[str, Any], columns: Mapping[str, str], where: str) -> list[tuple[str, str]]:
    pairs = []
    for tag, column in columns.items():
        text = row.get(column, 0)
        if text is not None and not isinstance(text, str):
            has = ", ".join(map(str, row)) or "none"
            raise CorpusError(f"{where}: no text column {column!r}; the columns are {has}")
        pairs.append((tag, text or ""))  # a missing translation still takes a line
    return pairs
