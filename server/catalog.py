"""The profiles on offer at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from profiles.profile import Profile
from server.languages import LanguageTag

Role = Literal["target", "suppress"]
_SHOWN = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One loaded profile.

    Attributes:
        name: the profile's language tag, which is its file's name; what clients write in
            `steering.profile`.
        profile: what it edits.
        created: when its file was written, ISO 8601.
        loaded_at: seconds since the epoch, when every worker had confirmed it.
    """

    name: str
    profile: Profile
    created: str
    loaded_at: int

    @property
    def label(self) -> str:
        """name@version, as clients see it."""
        return f"{self.name}@{self.profile.version}"

    @cached_property
    def tag(self) -> LanguageTag:
        """The profile's language, parsed."""
        return LanguageTag.parse(self.profile.language)

    def alike(self, other: Entry) -> bool:
        """Whether both are of one language, in one script."""
        return self.tag.distance(other.tag) is not None

    def has(self, role: Role) -> bool:
        """Whether the profile has an edit for `role`."""
        return role in self.profile.edits()


class Catalog:
    """An immutable set of entries: a reload replaces it whole, so a request sees one state."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._by_name = {entry.name: entry for entry in sorted(entries, key=lambda e: e.name)}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> Entry | None:
        """The entry called `name`, or None."""
        return self._by_name.get(name)

    def nearest(self, tag: LanguageTag, role: Role) -> Entry | None:
        """The entry to use for a language, or None where no loaded language will do.

        Entries with an edit for `role` come first, then the very tag, then the nearest region,
        then the shortest name (`de` before `de-x-formal`). The result may lack the edit, where
        every entry of that language does.
        """
        ranked = [
            (not entry.has(role), entry.tag != tag, distance, len(entry.name), entry.name)
            for entry in self
            if (distance := tag.distance(entry.tag)) is not None
        ]
        return self._by_name[min(ranked)[-1]] if ranked else None

    def languages(self) -> str:
        """The languages on offer, for an error's text."""
        return _listing({entry.profile.language for entry in self})

    def names(self) -> str:
        """The profiles on offer, for an error's text."""
        return _listing({entry.label for entry in self})


def _listing(items: set[str]) -> str:
    shown = sorted(items)
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return (", ".join(shown[:_SHOWN]) or "none") + more
