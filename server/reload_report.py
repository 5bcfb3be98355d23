"""What a reload of the profile folder did."""

from __future__ import annotations

from dataclasses import dataclass

from server.scan import Refusal


@dataclass(frozen=True, kw_only=True)
class ReloadReport:
    """By profile name@version; refused files by file name.

    Attributes:
        loaded, unchanged, removed, refused: what became of each file.
        pinned: of `unchanged` those that would have been replaced or removed, were they not pinned.
        draining: no longer on offer, but in the engine until the last request with them ends.
    """

    loaded: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    refused: tuple[Refusal, ...]
    pinned: tuple[str, ...]
    draining: tuple[str, ...]
