"""Which profiles requests in flight were promised, so that none is unloaded under them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection


class Leases:
    """Counts requests by the profiles they name, from the decision to the end of their answer.

    The engine knows every request that it was sent; one that is still on its way to it is known
    here only. A profile is free when neither needs it.
    """

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    def take(self, hashes: Collection[str]) -> None:
        """A request that names these profiles begins."""
        self._held.update(hashes)

    def give_back(self, hashes: Collection[str]) -> None:
        """It ended, or its client left: what still runs of it, the engine knows."""
        self._held.subtract(hashes)
        self._held = +self._held

    def free(self, content_hash: str) -> bool:
        """Whether no request holds this profile."""
        return not self._held[content_hash]
