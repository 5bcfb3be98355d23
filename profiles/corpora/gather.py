"""Lines of several languages, as they come in → sentences: cleaned, unique, no more than asked."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from profiles.errors import CorpusError
from profiles.language import check_tag


@dataclass
class _Language:
    texts: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)  # folded sentence → its line
    repeated: int = 0


class Gather:
    """Takes lines until it has enough.

    Args:
        languages: tags that are wanted; None for any.
        limit: at most so many sentences of each; None for all there are.
    """

    def __init__(self, languages: Sequence[str] | None, limit: int | None) -> None:
        self._wanted = None if languages is None else [*dict.fromkeys(languages)]
        self._limit = limit
        self._found: dict[str, _Language] = {}
        self._others: set[str] = set()
        self._repeats: defaultdict[int, set[int]] = defaultdict(set)

    @property
    def wanted(self) -> Sequence[str] | None:
        """The tags asked for; None for any."""
        return self._wanted

    @property
    def full(self) -> bool:
        """Whether no line of any language is wanted any more."""
        if self._wanted is None or self._limit is None:
            return False
        return not any(self.accepts(language) for language in self._wanted)

    def accepts(self, language: str) -> bool:
        """Whether lines of the language are wanted still."""
        if self._wanted is not None and language not in self._wanted:
            return False
        found = self._found.get(language)
        return found is None or self._limit is None or len(found.texts) < self._limit

    def add(self, language: str, number: int, text: str) -> None:
        """Take a line; `number` is the same for the translations of it.

        A line that holds line breaks is several sentences of one number.
        """
        self.note(language)
        for part in text.splitlines():
            if self.accepts(language):
                self._add(self._found[language], number, part)

    def note(self, language: str) -> None:
        """The source has the language, with or without text."""
        if self._wanted is None or language in self._wanted:
            self._found.setdefault(language, _Language())
        else:
            self._others.add(language)

    def _add(self, found: _Language, number: int, text: str) -> None:
        sentence = unicodedata.normalize("NFC", " ".join(text.split()))
        if not sentence:
            return
        folded = sentence.casefold()
        first = found.seen.get(folded)
        if first is None:
            found.seen[folded] = number
            found.texts.append(sentence)
            found.numbers.append(number)
            return
        found.repeated += 1
        if first != number:
            self._repeats[number].add(first)

    def texts(self, source: str) -> dict[str, tuple[str, ...]]:
        """The sentences by language, in the order asked for, or else found.

        Raises:
            CorpusError: a language asked for is missing.
        """
        if missing := [tag for tag in self._wanted or () if tag not in self._found]:
            has = ", ".join(sorted({*self._found, *self._others})) or "no language"
            raise CorpusError(f"{source} has no text in {', '.join(missing)}; it has {has}")
        order = self._found if self._wanted is None else self._wanted
        return {tag: tuple(self._found[tag].texts) for tag in order}

    def numbers(self) -> dict[str, tuple[int, ...]]:
        """The sentences' lines, by language."""
        return {tag: tuple(found.numbers) for tag, found in self._found.items()}

    def repeats(self) -> Mapping[int, frozenset[int]]:
        """Line → the earlier lines that it repeats in some language."""
        return {number: frozenset(of) for number, of in sorted(self._repeats.items())}

    def warnings(self) -> list[str]:
        """What was dropped."""
        return [
            f"{tag}: {found.repeated} repeated sentences dropped"
            for tag, found in self._found.items()
            if found.repeated
        ]


def tag_of(tag: str, where: str) -> str:
    """The tag as `check_tag` spells it.

    Raises:
        CorpusError: it is none; says `where` it was.
    """
    try:
        return check_tag(tag)
    except CorpusError as error:
        raise CorpusError(f"{where}: {error}") from None
