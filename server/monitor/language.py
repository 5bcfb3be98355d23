"""The language of a stretch of an answer, as a profile's language would be written."""

from __future__ import annotations

from server.languages import LanguageTag
from server.monitor.pause import pause
from server.monitor.verdict import UNKNOWN


def language_of(text: str) -> str:
    """Primary tag, aliases resolved; "und" where it cannot be told. The first call loads models."""
    from profiles.judging.identify import identify

    found = identify(text).language
    try:
        return LanguageTag.parse(found).language
    except ValueError:
        return UNKNOWN


def gently(text: str) -> str:
    """As `language_of`; for threads beside an event loop."""
    found = language_of(text)
    pause()
    return found
