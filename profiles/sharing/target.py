"""A place that profiles can be put into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from profiles.sharing.source import Source


class Target(Protocol):
    """A folder, or a repository of the Hub.

    Attributes:
        label: what it is called.
    """

    label: str

    def there(self) -> Source | None:
        """What it holds now, None where it is not there yet.

        Raises:
            SharingError: that cannot be told.
        """

    def write(self, files: Mapping[str, bytes | None], message: str) -> str:
        """Put files there by their path, remove those that are None; where they are then.

        Raises:
            SharingError: it is refused, or has changed since `there`.
        """
