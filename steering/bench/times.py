"""How long an engine took for a batch of requests."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Times:
    """One batch, all of whose requests came at once.

    Attributes:
        seconds: from the first request sent to the last answer complete.
        tokens: of all prompts and answers.
        first: seconds to each request's first token.
        edited: tokens that were steered, as the worker counts them.
        between: seconds between a request's tokens, its mean; none for answers of one token.
    """

    seconds: float
    tokens: int
    edited: int
    first: Sequence[float]
    between: Sequence[float]

    @property
    def throughput(self) -> float:
        """Tokens a second, prompts included."""
        return self.tokens / self.seconds

    @property
    def ttft(self) -> float:
        """Median seconds to the first token, waiting for a place in the batch included."""
        return statistics.median(self.first)

    @property
    def itl(self) -> float:
        """Median seconds between two tokens."""
        return statistics.median(self.between)
