"""The sources of a target, each asked for a language with a profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from server.catalog import Catalog, Entry
from server.languages import LanguageTag
from server.policy.accept_language import preferred
from server.policy.asked import Asked
from server.policy.terms import Source, Terms
from server.policy.user_text import last_user_text, locale
from server.shown import shown

Why = Literal["", "no-language", "no-profile", "denied"]
# From the least that a source can lack to the most that stands against it.
_RANK: tuple[Why, ...] = ("", "no-language", "no-profile", "denied")


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What became of one source.

    Attributes:
        source: its name.
        entry: the profile it decided for, or None.
        note: what it named, or why it named nothing.
        why: "" where it decided; else what was in the way.
    """

    source: str
    entry: Entry | None = None
    note: str
    why: Why = ""


def try_source(source: Source, asked: Asked, terms: Terms, catalog: Catalog) -> Tried:
    """Ask one source other than the client's own `field` and `header`."""
    named, nothing = _named(source, asked)
    why: Why = "no-language"
    notes: list[str] = []
    for text in named:
        entry, obstacle, said = _on_offer(text, terms, catalog)
        if entry is not None:
            return Tried(source=str(source), entry=entry, note=text)
        notes.append(f"{shown(text)}: {said}")
        why = max(why, obstacle, key=_RANK.index)
    return Tried(source=str(source), note="; ".join(notes[:4]) or nothing, why=why)


def gravest(tried: Sequence[Tried]) -> Why:
    """What was most in the way of the sources that were asked."""
    return max((each.why for each in tried), key=_RANK.index, default="no-language")


def detected(text: str) -> str:
    """The language a text is in, "" where that is not certain; the first call loads the models."""
    from profiles.judging.identify import UNKNOWN, identify

    found = identify(text).language
    return "" if found == UNKNOWN else found


def _named(source: Source, asked: Asked) -> tuple[list[str], str]:
    """(the languages a source names, best first; what to say where there is none)."""
    if source.kind == "language":
        return [source.language], ""
    if source.kind == "accept-language":
        nothing = "names no language" if asked.accept_language else "not sent"
        return preferred(asked.accept_language), nothing
    if source.kind == "locale":
        found = locale(asked.fields)
        return [found] if found else [], "neither metadata.locale nor locale= in user"
    text = last_user_text(asked.fields)
    if not text:
        return [], "no text of the user's"
    found = detected(text)
    return [found] if found else [], "too short, or of no certain language"


def _on_offer(text: str, terms: Terms, catalog: Catalog) -> tuple[Entry | None, Why, str]:
    try:
        tag = LanguageTag.parse(text)
    except ValueError as error:
        return None, "no-language", str(error)
    if terms.denies(tag):
        return None, "denied", "denied by the policy"
    entry = catalog.nearest(tag, "target")
    if entry is None or not entry.has("target"):
        return None, "no-profile", "no profile"
    if terms.denies(entry.tag):
        return None, "denied", f"its profile {entry.name} is denied by the policy"
    return entry, "", ""
