"""A place that profiles can be read from."""

from __future__ import annotations

from typing import Protocol

from profiles.sharing.listing import Listing, SharedFile


class Source(Protocol):
    """A folder, a repository of the Hub, or a web server.

    Attributes:
        only: the one file that the address names, where it names one.
    """

    only: str | None

    def listing(self) -> Listing:
        """What it holds.

        Raises:
            SharingError: there is no such place, or it is not to be trusted.
        """

    def read(self, file: SharedFile) -> bytes:
        """A file's content, which is what the listing says.

        Raises:
            MissingError: it is not there.
            SharingError: it cannot be had, or is another one.
        """
