"""The text profiles are judged with: aligned sentences no profile was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from profiles.errors import CorpusError
from profiles.judging.identify import primary
from profiles.language import check_tag

PASSAGES = Path(__file__).with_name("passages")
PARAGRAPH_LINES = 3
_UNSPACED = frozenset({"ja", "zh", "th", "lo", "km", "my"})


@dataclass(frozen=True, kw_only=True)
class EvaluationText:
    """Sentences of several languages; line n says the same in all of them.

    Attributes:
        source: where it came from.
        lines: sentences by tag, as many in each.
    """

    source: str
    lines: Mapping[str, Sequence[str]]

    @property
    def languages(self) -> tuple[str, ...]:
        """Tags, sorted."""
        return tuple(sorted(self.lines))

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over languages and lines."""
        parts = [f"\1{tag}\0" + "\0".join(self.lines[tag]) for tag in self.languages]
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def tag_of(self, language: str) -> str | None:
        """The text's tag for a language: the tag itself, or one of the same primary language."""
        if language in self.lines:
            return language
        return next((tag for tag in self.languages if primary(tag) == primary(language)), None)

    def paragraphs(self, language: str) -> list[str]:
        """Each three consecutive lines, joined as the language joins sentences."""
        lines = self._lines(language)
        between = "" if primary(language) in _UNSPACED else " "
        starts = range(0, len(lines) - PARAGRAPH_LINES + 1, PARAGRAPH_LINES)
        return [between.join(lines[n : n + PARAGRAPH_LINES]) for n in starts]

    def sentences(self, language: str) -> list[str]:
        """The lines of a language."""
        return [*self._lines(language)]

    def beginnings(self, language: str) -> list[str]:
        """The first half of each line, cut between words, without a blank at its end."""
        return [cut(line, language) for line in self._lines(language)]

    def _lines(self, language: str) -> Sequence[str]:
        tag = self.tag_of(language)
        if tag is None:
            raise CorpusError(
                f"{self.source} has no text in {language}; it has {', '.join(self.languages)}"
            )
        return self.lines[tag]


def cut(sentence: str, language: str) -> str:
    """The first half of a sentence: whole words; by character where words have no blanks."""
    if primary(language) in _UNSPACED:
        return sentence[: max(1, len(sentence) // 2)]
    words = sentence.split()
    return " ".join(words[: max(1, len(words) // 2)])


def read_text(folder: Path | None = None, span: tuple[int, int] | None = None) -> EvaluationText:
    """Read evaluation text.

    Args:
        folder: <language>.txt files, a sentence a line, aligned; None for the passages written
            for this project.
        span: keep lines span[0] to span[1] - 1, counted from 0; all by default.

    Raises:
        CorpusError: missing, unreadable, not aligned, or too little for one paragraph.
    """
    source = folder or PASSAGES
    files = sorted(source.glob("*.txt"))
    if not files:
        raise CorpusError(f"{source} holds no <language>.txt files")
    first, last = span or (0, None)
    lines = {check_tag(file.stem): _read(file)[first:last] for file in files}
    counts = {len(found) for found in lines.values()}
    if len(counts) > 1:
        seen = ", ".join(f"{tag} {len(found)}" for tag, found in lines.items())
        raise CorpusError(f"{source}: files are not aligned, their lines differ: {seen}")
    if min(counts) < PARAGRAPH_LINES:
        where = "" if span is None else f" in {first}:{last}"
        raise CorpusError(
            f"{source} has {min(counts)} lines{where}, at least {PARAGRAPH_LINES} are needed"
        )
    name = str(folder) if folder else "passages"
    return EvaluationText(source=name if span is None else f"{name}[{first}:{last}]", lines=lines)


def _read(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise CorpusError(f"{file} is not UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise CorpusError(f"cannot read {file}: {error.strerror or error}") from error
    return [" ".join(line.split()) for line in lines]
