"""Hugging Face datasets → lines of languages, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from profiles.corpora.gather import Gather
from profiles.corpora.rows import read_rows
from profiles.errors import CorpusError

_EACH = "{language}"


def read_dataset(source: str, gather: Gather, columns: Mapping[str, str] | None = None) -> None:
    """Take a dataset's rows, see `read_rows`, until there is enough; nothing is stored.

    Args:
        source: "id", "id:split" or "id:configuration:split", the split being "train" if it is not
            given. A configuration or split for each language is written with its tag as
            {language}: "id:{language}:train"; rows then need a "text" only. A folder of parquet,
            csv or JSON files serves as an id.
        gather: takes the lines.
        columns: see `read_rows`.

    Raises:
        CorpusError: the datasets package is missing, the dataset cannot be loaded, or its rows
            have other columns.
    """
    try:
        import datasets
    except ImportError as error:
        raise CorpusError(
            f"{source!r} is no folder or file, so it would be a Hugging Face dataset, which needs "
            "the datasets package: run pip install 'langsteer[datasets]'"
        ) from error
    # Its bars would mix with langsteer's own.
    datasets.disable_progress_bars()
    if _EACH not in source:
        read_rows(_rows(source), gather, columns)
        return
    if gather.wanted is None:
        raise CorpusError(f"{source}: name the languages to put in the place of {_EACH}")
    for language in gather.wanted:
        for number, (where, row) in enumerate(_rows(source.replace(_EACH, language))):
            if not gather.accepts(language):
                break
            text = row.get("text")
            if not isinstance(text, str):
                raise CorpusError(f"{where}: no text column; the columns are {', '.join(row)}")
            gather.add(language, number, text)


def _rows(source: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    from datasets import load_dataset

    name, *rest = source.split(":")
    if len(rest) > 2:
        raise CorpusError(f"{source!r} is not of the form id, id:split or id:configuration:split")
    split = rest[-1] if rest else "train"
    configuration = rest[0] if len(rest) == 2 else None
    try:
        rows = iter(load_dataset(name, configuration, split=split, streaming=True))
    except Exception as error:  # datasets raises what its many back ends raise
        raise _failed(source, error) from error
    number = 0
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except Exception as error:  # also in the middle of a stream
            raise _failed(source, error) from error
        yield f"{source}[{number}]", row
        number += 1


def _failed(source: str, error: Exception) -> CorpusError:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return CorpusError(f"cannot load the dataset {source!r}: {line}")
