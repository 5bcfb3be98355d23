"""What could rightly be served at a time, while operators change it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Offer:
    """By name the values that were in force, and when: a change has a beginning and an end.

    Args:
        first: the values at the start; None where nothing is on offer by a name.
    """

    def __init__(self, first: dict[str, str | None]) -> None:
        now = time.monotonic()
        # name -> (value, since when it could be in force, until when)
        self._spans: dict[str, list[tuple[str | None, float, float]]] = {
            name: [(value, now, float("inf"))] for name, value in first.items()
        }

    def now(self, name: str) -> str | None:
        """The value in force, or the one that is coming into force."""
        return self._spans[name][-1][0]

    @contextmanager
    def changing(self, name: str, value: str | None) -> Iterator[None]:
        """Around what brings `value` into force: within, both the old and the new are right."""
        spans = self._spans[name]
        spans.append((value, time.monotonic(), float("inf")))
        yield
        old, since, _ = spans[-2]
        spans[-2] = old, since, time.monotonic()

    def allowed(self, name: str, since: float, until: float) -> set[str | None]:
        """What was in force at some time between the two."""
        return {
            value for value, begins, ends in self._spans[name] if begins <= until and ends >= since
        }
