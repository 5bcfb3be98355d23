"""Which profiles requests in flight were promised, so that none is unloaded under them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection


class Leases:
    """Counts requests by the profiles they name, from the decision to their end.

    A worker knows the requests of its batch only. One that still waits in the scheduler's queue
    names its profile by hash too, and the worker could not run it without: so a profile is free
    only when no request anywhere was promised it.

    Args:
        alive: ids of the requests that the engine has not finished.
    """

    def __init__(self, alive: Callable[[], Collection[str]] = frozenset) -> None:
        self._alive = alive
        self._held: Counter[str] = Counter()
        # Of requests whose client left: what they named, and who was alive then. The engine hears
        # of an abort a little later than we do, and which of the ids was theirs is not known.
        self._left: list[tuple[frozenset[str], frozenset[str]]] = []

    def take(self, hashes: Collection[str]) -> None:
        """A request that names these profiles begins."""
        self._held.update(hashes)

    def give_back(self, hashes: Collection[str], *, complete: bool) -> None:
        """It ended.

        Args:
            hashes: as taken.
            complete: its whole answer was sent; False if it broke off, and may still run.
        """
        self._held.subtract(hashes)
        self._held = +self._held
        alive = frozenset() if complete else frozenset(self._alive())
        if alive:
            self._left.append((frozenset(hashes), alive))

    def free(self, content_hash: str) -> bool:
        """Whether no request in flight names this profile."""
        if self._left:
            alive = frozenset(self._alive())
            self._left = [(named, ids & alive) for named, ids in self._left if ids & alive]
        return not self._held[content_hash] and not any(
            content_hash in named for named, _ in self._left
        )
