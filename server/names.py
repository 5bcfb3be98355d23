"""Languages and profiles as a request names them, looked up among those on offer."""

from __future__ import annotations

from typing import Any

from server.catalog import Catalog, Entry, Role
from server.errors import PolicyError
from server.languages import LanguageTag
from server.shown import shown


class Names:
    """Looks up what a request names.

    Args:
        catalog: the profiles on offer.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def language(self, text: Any, field: str, role: Role) -> Entry:
        """The profile nearest to a language.

        Args:
            text: the language's tag.
            field: where it stands.
            role: what is wanted of the profile.

        Raises:
            PolicyError: it is no tag, or no profile is of that language, or in that role.
        """
        if not isinstance(text, str):
            raise type_error(field, text, 'a language tag such as "de"')
        try:
            entry = self._catalog.nearest(LanguageTag.parse(text), role)
            why = "no loaded profile is of that language"
        except ValueError as error:
            entry, why = None, str(error)
        if entry is None:
            raise PolicyError(
                f"{field} is {shown(text)}: {why}; available are {self._catalog.languages()}",
                param=field,
                reason="unknown_language",
            )
        _need(entry, role, field)
        return entry

    def profile(self, text: Any, field: str) -> Entry:
        """The profile of a name, and of a version where one is given, to steer towards.

        Args:
            text: "name" or "name@version".
            field: where it stands.

        Raises:
            PolicyError: no such profile is on offer, or it has no edit towards its language.
        """
        if not isinstance(text, str):
            raise type_error(field, text, 'a profile\'s name or "name@version"')
        name, _, version = text.partition("@")
        entry = self._catalog.get(name)
        wrong = (
            entry is not None
            and "@" in text
            and version.lower()
            not in {
                entry.profile.version,
                entry.profile.content_hash,
            }
        )
        if entry is None or wrong:
            why = "another version is loaded" if wrong else "no such profile is loaded"
            raise PolicyError(
                f"{field} is {shown(text)}: {why}; available are {self._catalog.names()}",
                param=field,
                reason="unknown_profile",
            )
        _need(entry, "target", field)
        return entry


def _need(entry: Entry, role: Role, field: str) -> None:
    if not entry.has(role):
        raise PolicyError(
            f"{field}: profile {entry.label} has no edit for {role}, "
            f"only for {' and '.join(entry.profile.edits())}",
            param=field,
            reason="missing_edit",
        )


def type_error(field: str, value: Any, expected: str) -> PolicyError:
    """The error of a field that holds something of another type."""
    return PolicyError(
        f"{field} is {shown(value)}, must be {expected}", param=field, reason="bad_type"
    )
