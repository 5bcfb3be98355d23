"""Text per language: what a profile is made from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from profiles.corpora.check import FEWEST, check
from profiles.corpora.dataset import read_dataset
from profiles.corpora.files import data_files, read_folder, read_jsonl, text_files
from profiles.corpora.gather import Gather, tag_of
from profiles.errors import CorpusError

STARTER = Path(__file__).with_name("starter")


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Sentences of several languages.

    Attributes:
        source: where it came from, as the user named it.
        texts: sentences by BCP 47 tag; each unique within its language.
        numbers: by tag, the line each sentence stood in. In a parallel corpus sentences of one
            number are translations of each other, wherever lines were dropped; elsewhere numbers
            mean nothing and do no harm. Missing: the sentences' positions.
        repeats: line → the earlier lines that it repeats in some language.
        warnings: what is odd but usable, for the user.
    """

    source: str
    texts: Mapping[str, Sequence[str]]
    numbers: Mapping[str, Sequence[int]] = field(default_factory=dict)
    repeats: Mapping[int, frozenset[int]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def numbers_of(self, language: str) -> Sequence[int]:
        """The line of each of the language's sentences, ascending."""
        return self.numbers.get(language) or range(len(self.texts[language]))

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over languages and sentences."""
        digest = hashlib.sha256()
        for language, sentences in sorted(self.texts.items()):
            digest.update(f"\1{language}\0".encode())
            for sentence in sentences:
                digest.update(sentence.encode() + b"\0")
        return digest.hexdigest()


def read_corpus(
    source: str = "starter",
    languages: Sequence[str] | None = None,
    *,
    limit: int | None = None,
    columns: Mapping[str, str] | None = None,
) -> Corpus:
    """Read and check a corpus.

    Everything is read line by line and only until the languages have enough: memory goes with
    what is kept. Sentences are brought to Unicode's NFC, runs of white space to single blanks; of
    those that then differ in case only, the first is kept.

    Args:
        source: "starter"; a folder of <language>.txt or <language>/**/*.txt, one sentence a line,
            also as .txt.gz; a .jsonl or .jsonl.gz file of {"language" or "lang": tag, "text":
            sentence}; or a Hugging Face dataset with such columns, see `read_dataset`.
        languages: keep these only; all by default.
        limit: at most so many sentences a language, the first ones. With `languages`, reading
            ends as soon as all of them have as many.
        columns: the column of each language's text, by tag, for JSON lines and datasets that
            have a row of translations, e.g. {"de": "sentence_deu_Latn"}.

    Raises:
        CorpusError: missing, unreadable, or unusable; says which file or language, and why.
    """
    if limit is not None and limit < FEWEST:
        raise CorpusError(f"a limit of {limit} sentences is below the {FEWEST} a language needs")
    if columns is not None:
        columns = {tag_of(tag, "columns"): column for tag, column in columns.items()}
        languages = [*columns] if languages is None else languages
    wanted = None if languages is None else [tag_of(tag, "languages") for tag in languages]
    gather = Gather(wanted, limit)
    _read(source, gather, columns)
    texts = gather.texts(source)
    warnings = check(source, texts)
    return Corpus(
        source=source,
        texts=texts,
        numbers=gather.numbers(),
        repeats=gather.repeats(),
        warnings=(*gather.warnings(), *warnings),
    )


def _read(source: str, gather: Gather, columns: Mapping[str, str] | None) -> None:
    path = STARTER if source == "starter" else Path(source).expanduser()
    if path.is_dir() and data_files(path) and not text_files(path):
        read_dataset(str(path), gather, columns)
    elif path.is_dir():
        if columns is not None:
            raise CorpusError(
                f"{source} is a folder of text files, which have no columns; choose languages "
                "with --languages"
            )
        read_folder(path, gather)
    elif path.is_file():
        read_jsonl(path, gather, columns)
    elif source.startswith((".", "/", "~")) or source.endswith((".jsonl", ".gz", ".txt")):
        raise CorpusError(f"no corpus at {source}")
    else:
        read_dataset(source, gather, columns)
