"""What a remote place must be able to say; fetching and keeping are done for it."""

from __future__ import annotations

from typing import Protocol

from profiles.sharing.download import Request
from profiles.sharing.listing import Listing, SharedFile


class Place(Protocol):
    """A folder somewhere else.

    Attributes:
        only: the one file that the address names, where it names one.
        base: of the folder, that nothing else has.
        key: the same, with the revision that was asked for.
    """

    only: str | None
    base: str
    key: str

    def list(self) -> Listing:
        """What it holds now; raises SharingError where that cannot be had."""

    def locate(self, listing: Listing, file: SharedFile) -> Request:
        """How to get a file of it."""
