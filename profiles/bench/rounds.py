"""Two ways of doing one thing, timed in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Comparison:
    """Times of two things, round by round.

    Attributes:
        first, second: seconds, one a round.
    """

    first: Sequence[float]
    second: Sequence[float]

    @cached_property
    def ratio(self) -> float:
        """Median of the first over median of the second."""
        return statistics.median(self.first) / statistics.median(self.second)

    @cached_property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest ratio of a round."""
        ratios = [a / b for a, b in zip(self.first, self.second, strict=True)]
        return min(ratios), max(ratios)

    def facts(self, first: str, second: str, tokens: int | None = None) -> dict[str, object]:
        """For JSON, under the two names given; times in seconds.

        Args:
            first, second: what to call them.
            tokens: that each of them processed in a round, for tokens a second; None for none.
        """
        facts: dict[str, object] = {
            f"{first}_seconds": [round(s, 4) for s in self.first],
            f"{second}_seconds": [round(s, 4) for s in self.second],
            "ratio": round(self.ratio, 3),
            "ratio_min": round(self.spread[0], 3),
            "ratio_max": round(self.spread[1], 3),
        }
        if tokens is not None:
            for name, seconds in ((first, self.first), (second, self.second)):
                facts[f"{name}_tokens_per_second"] = round(tokens / statistics.median(seconds))
        return facts


def compare(
    first: Callable[[], float | None],
    second: Callable[[], float | None],
    rounds: int,
    *,
    warm: bool = True,
) -> Comparison:
    """Time both in every round, one after the other: drift of a noisy machine hits both alike.

    Whichever went first in a round goes second in the next. A function that returns a number
    says itself how many seconds to count; the others are timed.

    Args:
        first, second: what to time.
        rounds: at least one.
        warm: run each once before the rounds too, uncounted.
    """
    if warm:
        for function in (first, second):
            function()
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            times[which].append(_seconds((first, second)[which]))
    return Comparison(*times)


def _seconds(function: Callable[[], float | None]) -> float:
    begun = time.perf_counter()
    said = function()
    return time.perf_counter() - begun if said is None else said
