"""The language of a stretch of an answer, as a profile's language would be written."""

from __future__ import annotations

from server.languages import LanguageTag
from server.monitor.pause import pause
from server.monitor.verdict import UNKNOWN


def odds_of(text: str) -> tuple[str, float]:
    """As `language_of`, and how probable it is, from 0 to 1; 0 where it cannot be told."""
    from profiles.judging.identify import identify

    found = identify(text)
    try:
        return LanguageTag.parse(found.language).language, found.probability
    except ValueError:
        return UNKNOWN, 0.0


def language_of(text: str) -> str:
    """Primary tag, aliases resolved; "und" where it cannot be told. The first call loads models."""
    return odds_of(text)[0]


def gently(text: str) -> str:
    """As `language_of`; for threads beside an event loop."""
    found = language_of(text)
    pause()
    return found
