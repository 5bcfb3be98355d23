"""Measured values with their 95% confidence intervals. Pure numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_Z = 1.959964  # the standard normal's 97.5% point
_DRAWS = 1000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value and the 95% confidence interval around it.

    Attributes:
        value: the estimate.
        low, high: bounds of the interval.
        count: how many outputs or texts it rests on.
    """

    value: float
    low: float
    high: float
    count: int

    def rounded(self) -> dict[str, Any]:
        """As JSON-serialisable data."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def wilson(hits: int, count: int) -> Interval | None:
    """A share with Wilson's score interval (Wilson 1927), right near 0 and 1 too; None of none."""
    if count == 0:
        return None
    share, z2 = hits / count, _Z * _Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    spread = _Z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    low, high = max(0.0, middle - spread), min(1.0, middle + spread)
    # At the ends the bounds meet the value; rounding must not push them past it.
    return Interval(value=share, low=min(low, share), high=max(high, share), count=count)


def ratio(above: Sequence[float], below: Sequence[float], seed: int = 0) -> Interval | None:
    """sum(above) / sum(below) over paired observations, with a percentile bootstrap of the pairs.

    Args:
        above, below: one pair an output, e.g. its bits and its bytes.
        seed: of the bootstrap's 1,000 draws.

    Returns:
        None where there is nothing to divide by.
    """
    if len(below) == 0 or sum(below) <= 0:
        return None
    a, b = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    picks = np.random.default_rng(seed).integers(0, len(a), (_DRAWS, len(a)))
    tops, bottoms = a[picks].sum(1), b[picks].sum(1)
    drawn = tops[bottoms > 0] / bottoms[bottoms > 0]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value=float(a.sum() / b.sum()), low=float(low), high=float(high), count=len(a))


def mean(values: Sequence[float], seed: int = 0) -> Interval | None:
    """The mean with a percentile bootstrap; None of none."""
    return ratio(values, [1.0] * len(values), seed)
