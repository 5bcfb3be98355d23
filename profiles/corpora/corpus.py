"""Text per language: from a folder, JSONL, a Hugging Face dataset, or the starter corpus."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from profiles.errors import CorpusError
from profiles.language import check_tag

STARTER = Path(__file__).with_name("starter")
FEWEST, FEW = 20, 100


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Sentences of several languages.

    Attributes:
        source: where it came from, as the user named it.
        texts: sentences by BCP 47 tag; each unique within its language.
        warnings: what is odd but usable, for the user.
    """

    source: str
    texts: Mapping[str, Sequence[str]]
    warnings: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over languages and sentences."""
        digest = hashlib.sha256()
        for language, sentences in sorted(self.texts.items()):
            digest.update(f"\1{language}\0".encode())
            for sentence in sentences:
                digest.update(sentence.encode() + b"\0")
        return digest.hexdigest()


def read_corpus(source: str = "starter", languages: Sequence[str] | None = None) -> Corpus:
    """Read and check a corpus.

    Args:
        source: "starter"; a folder of <language>.txt, one sentence a line; a .jsonl file of
            {"language" or "lang": tag, "text": sentence}; or the id of a Hugging Face dataset
            with such columns ("id" or "id:split").
        languages: keep these only; all by default.

    Raises:
        CorpusError: missing, unreadable, or unusable; says which file or language, and why.
    """
    path = Path(source).expanduser()
    if source == "starter":
        found = _folder(STARTER)
    elif path.is_dir():
        found = _folder(path)
    elif path.is_file():
        found = _jsonl(path)
    elif source.startswith((".", "/", "~")) or source.endswith((".jsonl", ".txt")):
        raise CorpusError(f"no corpus at {source}")
    else:
        found = _dataset(source)
    return _checked(source, found, languages)


def _folder(folder: Path) -> dict[str, list[str]]:
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise CorpusError(f"{folder} holds no <language>.txt files")
    return {_tag(file.stem, str(file)): _read(file).splitlines() for file in files}


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{file} is not UTF-8 (byte {error.start}); convert it, e.g. with iconv -t utf-8"
        ) from error
    except OSError as error:
        raise CorpusError(f"cannot read {file}: {error.strerror or error}") from error


def _tag(tag: str, where: str) -> str:
    try:
        return check_tag(tag)
    except CorpusError as error:
        raise CorpusError(f"{where}: {error}") from None


def _jsonl(file: Path) -> dict[str, list[str]]:
    rows = []
    for number, line in enumerate(_read(file).splitlines(), 1):
        if line.strip():
            try:
                rows.append((f"{file}:{number}", json.loads(line)))
            except ValueError as error:
                raise CorpusError(f"{file}:{number} is not JSON: {error}") from error
    return _rows(rows)


def _rows(rows: Iterable[tuple[str, Any]]) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    for where, row in rows:
        tag = row.get("language", row.get("lang")) if isinstance(row, Mapping) else None
        text = row.get("text") if isinstance(row, Mapping) else None
        if not isinstance(tag, str) or not isinstance(text, str):
            raise CorpusError(f'{where}: expected {{"language": "<tag>", "text": "<sentence>"}}')
        texts.setdefault(_tag(tag, where), []).append(text)
    return texts


def _dataset(source: str) -> dict[str, list[str]]:
    name, _, split = source.partition(":")
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise CorpusError(
            f"{source!r} is no folder or file, so it would be a Hugging Face dataset, which needs "
            "the datasets package: run pip install datasets"
        ) from error
    try:
        rows = load_dataset(name, split=split or "train")
        return _rows((f"{source}[{i}]", row) for i, row in enumerate(rows))
    except CorpusError:
        raise
    except Exception as error:  # datasets raises what its many back ends raise
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CorpusError(f"cannot load the dataset {source!r}: {line}") from error


def _checked(source: str, found: dict[str, list[str]], languages: Sequence[str] | None) -> Corpus:
    if languages is not None:
        wanted = list(dict.fromkeys(_tag(language, "languages") for language in languages))
        if missing := [language for language in wanted if language not in found]:
            raise CorpusError(
                f"{source} has no text in {', '.join(missing)}; it has {', '.join(sorted(found))}"
            )
        found = {language: found[language] for language in wanted}
    if len(found) < 2:
        raise CorpusError(
            f"{source} has text in {', '.join(found) or 'no language'} only; telling languages "
            "apart takes at least two"
        )
    warnings: list[str] = []
    texts: dict[str, tuple[str, ...]] = {}
    for language, lines in found.items():
        sentences = [" ".join(line.split()) for line in lines]
        sentences = [sentence for sentence in sentences if sentence]
        unique = tuple(dict.fromkeys(sentences))
        if len(unique) < FEWEST:
            raise CorpusError(
                f"{source}: {language} has {len(unique)} different sentences, at least {FEWEST} "
                f"are needed ({FEW} or more are better)"
            )
        if len(unique) < len(sentences):
            warnings.append(
                f"{language}: {len(sentences) - len(unique)} repeated sentences dropped"
            )
        if len(unique) < FEW:
            warnings.append(f"{language}: only {len(unique)} sentences; {FEW} or more are better")
        texts[language] = unique
    _compare(source, texts, warnings)
    return Corpus(source=source, texts=texts, warnings=tuple(warnings))


def _compare(source: str, texts: Mapping[str, Sequence[str]], warnings: list[str]) -> None:
    """Sentences that two languages share blur both; a copied file makes them one."""
    names = sorted(texts)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = len(set(texts[first]) & set(texts[second]))
            if 2 * shared > min(len(texts[first]), len(texts[second])):
                raise CorpusError(
                    f"{source}: {first} and {second} share {shared} sentences; is one a copy?"
                )
            if shared:
                warnings.append(f"{first} and {second} share {shared} sentences")
