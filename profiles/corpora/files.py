"""Text files → lines of languages, read line by line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from profiles.corpora.gather import Gather, tag_of
from profiles.corpora.rows import read_rows
from profiles.errors import CorpusError

_TEXT = (".txt", ".txt.gz")
_DATA = (".parquet", ".arrow", ".csv", ".tsv", ".json", ".jsonl", ".jsonl.gz")


def text_files(folder: Path) -> list[tuple[str, Path]]:
    """(language as written, file) of <language>.txt and <language>/**/*.txt, or .txt.gz; sorted."""
    found = []
    for file in _inside(folder, _TEXT):
        first = file.relative_to(folder).parts[0]
        found.append((first if (folder / first).is_dir() else first.partition(".txt")[0], file))
    return found


def data_files(folder: Path) -> list[Path]:
    """The folder's tables, which a dataset is made of; sorted."""
    return _inside(folder, _DATA)


def read_folder(folder: Path, gather: Gather) -> None:
    """Take the text files of `text_files` until there is enough; line n is number n.

    Raises:
        CorpusError: there are none, or one is unreadable.
    """
    files = text_files(folder)
    if not files:
        raise CorpusError(f"{folder} holds no <language>.txt files")
    after: dict[str, int] = {}
    for name, file in files:
        language = tag_of(name, str(file))
        gather.note(language)
        number = after.get(language, 0)  # several files of a language are one text
        if gather.accepts(language):
            for _, line in _lines(file):
                if not gather.accepts(language):
                    break
                gather.add(language, number, line)
                number += 1
        after[language] = number


def read_jsonl(file: Path, gather: Gather, columns: Mapping[str, str] | None = None) -> None:
    """Take the rows of a .jsonl or .jsonl.gz file, see `read_rows`.

    Raises:
        CorpusError: a line is no such row, or the file is unreadable; says which line.
    """
    read_rows(_json(file), gather, columns)


def _inside(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    return sorted(
        file
        for file in folder.rglob("*")
        if file.name.endswith(endings)
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    )


def _json(file: Path) -> Iterator[tuple[str, Any]]:
    for number, line in _lines(file):
        if line.strip():
            where = f"{file}:{number}"
            try:
                yield where, json.loads(line)
            except ValueError as error:
                raise CorpusError(f"{where} is not JSON: {error}") from error


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """(line, from 1, text)."""
    number = 0
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
            # Bytes are split at line feeds only: other separators may stand inside of JSON.
            for number, line in enumerate(opened, 1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{file} is not UTF-8 (line {number}); convert it, e.g. with iconv -t utf-8"
        ) from error
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CorpusError(f"cannot read {file}: {reason}") from error
