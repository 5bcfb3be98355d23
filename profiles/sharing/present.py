"""The profiles that a place holds already."""

from __future__ import annotations

from profiles.errors import LangsteerError
from profiles.sharing.artefact import Artefact, read_artefact
from profiles.sharing.source import Source


def present(source: Source | None, *, good_only: bool = False) -> dict[str, Artefact]:
    """By language; empty where there is no such place, or it holds none.

    Args:
        source: the place.
        good_only: leave bad ones out, as if they were not there.

    Raises:
        SharingError, ProfileError: one of them is not good.
    """
    found: dict[str, Artefact] = {}
    if source is None:
        return found
    listing = source.listing()
    for file in listing.choose() if listing.languages else ():
        try:
            artefact = read_artefact(source, file)
        except LangsteerError:
            if not good_only:
                raise
        else:
            found[artefact.profile.language] = artefact
    return found
