"""Profiles that the engine has, proven, and that are not on offer yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from server.catalog import Entry
from server.scan import ProfileFile


class Staged:
    """By name one at most: what its next load puts on offer, without loading it again.

    Args:
        retire: takes what is dropped.
    """

    def __init__(self, retire: Callable[[Entry], None]) -> None:
        self._entries: dict[str, Entry] = {}
        self._retire = retire

    def labels(self) -> tuple[str, ...]:
        """What is staged, as name@version."""
        return tuple(entry.label for entry in self._entries.values())

    def get(self, name: str) -> Entry | None:
        """What is staged by that name."""
        return self._entries.get(name)

    def put(self, entry: Entry) -> None:
        """It is loaded and proven. Nothing else may be staged by its name."""
        self._entries[entry.name] = entry

    def take(self, name: str) -> None:
        """It comes on offer."""
        self._entries.pop(name, None)

    def settle(self, files: Mapping[str, ProfileFile], only: str | None = None) -> None:
        """Drop what is no longer what its file holds.

        Args:
            files: of the folder, by name.
            only: a name; what is staged by others stays.
        """
        for name, entry in [*self._entries.items()]:
            file = files.get(name)
            if only in (None, name) and (file is None or not file.holds(entry)):
                del self._entries[name]
                self._retire(entry)

    def holds(self, content_hash: str) -> bool:
        """Whether the profile is among them."""
        return any(entry.profile.content_hash == content_hash for entry in self._entries.values())
