"""Which language a text is in: two identifiers that ship their models, one checks the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

UNKNOWN = "und"
_FEWEST_LETTERS = 8
_FEWEST_IDEOGRAPHS = 3


class Identification(NamedTuple):
    """The language of a text.

    Attributes:
        language: BCP 47 primary tag, or "und" where it can't be told.
        probability: that of `language` by the second identifier, 0 where it can't be told.
    """

    language: str
    probability: float

    @property
    def reliable(self) -> bool:
        """Whether the identifiers are sure enough to count on."""
        return self.language != UNKNOWN


def identify(text: str, among: Sequence[str] | None = None) -> Identification:
    """The language of `text`.

    eldc decides; where it says it is unsure, py3langid must agree. Text with fewer than eight
    letters (three where Chinese, Japanese or Korean) is not judged.

    Args:
        text: any text.
        among: tags py3langid chooses from; all it knows by default. eldc always sees all, so
            that a language nobody asked about is not mistaken for one of these.
    """
    text = _encodable(text)
    if not _is_enough(text):
        return Identification(UNKNOWN, 0.0)
    first = _eldc().detect_details(text)
    odds = _odds(text, among)
    second = max(odds, key=lambda language: odds[language])
    if first.language != UNKNOWN and (first.reliable or first.language == second):
        return Identification(first.language, float(odds.get(first.language, 0.0)))
    return Identification(UNKNOWN, 0.0)


def cross_check(text: str, among: Sequence[str] | None = None) -> Identification:
    """What py3langid alone makes of `text`, knowing nothing of eldc's opinion.

    Args:
        text: any text; too short ones are not judged, as in `identify`.
        among: tags it chooses from; all it knows by default.
    """
    text = _encodable(text)
    if not _is_enough(text):
        return Identification(UNKNOWN, 0.0)
    odds = _odds(text, among)
    best = max(odds, key=lambda language: odds[language])
    return Identification(best, float(odds[best]))


def primary(tag: str) -> str:
    """The language of a tag: identifiers know no regions and scripts."""
    return tag.partition("-")[0].lower()


def _encodable(text: str) -> str:
    """Without the halves of characters that JSON can hold, and no encoder takes."""
    return text.encode(errors="ignore").decode()


def _is_enough(text: str) -> bool:
    letters = sum(c.isalpha() for c in text)
    ideographs = sum(ord(c) > 0x2E80 and c.isalpha() for c in text)
    return letters >= _FEWEST_LETTERS or ideographs >= _FEWEST_IDEOGRAPHS


def _odds(text: str, among: Sequence[str] | None) -> dict[str, float]:
    return dict(_py3langid(tuple(sorted({*map(primary, among)})) if among else ()).rank(text))


@lru_cache(maxsize=1)
def _eldc() -> Any:
    import eldc

    eldc.init()
    return eldc


@lru_cache(maxsize=8)
def _py3langid(among: tuple[str, ...]) -> Any:
    from py3langid.langid import _load_identifier

    identifier = _load_identifier(norm_probs=True)
    if known := [language for language in among if language in identifier.labels]:
        identifier.set_languages(known)
    return identifier
