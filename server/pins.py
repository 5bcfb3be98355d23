"""Which profiles are to stay as they are."""

from __future__ import annotations

from server.catalog import Entry
from server.errors import PinnedError


class Pins:
    """By name: while a name is here, the entry of that name stays the one it is.

    In memory only, so that a restarted server offers what the folder holds.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()

    def put(self, entry: Entry, *, on: bool) -> None:
        """Keep it as it is, or no longer; to say the same again changes nothing."""
        if on:
            self.names.add(entry.name)
        else:
            self.names.discard(entry.name)

    def check(self, entry: Entry) -> None:
        """Refuse to change what is pinned.

        Raises:
            PinnedError: it is.
        """
        if entry.name in self.names:
            raise PinnedError(
                f"{entry.label} is pinned: unpin it first", param="name", reason="pinned"
            )
