"""Scores → which neurons. Pure functions on arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Floats


def select_extremes(scores: Floats, count: int) -> NDArray[np.int64]:
    """The `count`/2 best and the `count`/2 worst of flat scores (Kojima et al. 2024), sorted.

    Args:
        scores: [neurons] of one language.
        count: at most the number of neurons.
    """
    order = np.argsort(-scores, kind="stable")
    count = min(count, len(order))
    low = count // 2
    chosen = np.concatenate([order[: count - low], order[len(order) - low :]])
    return np.sort(chosen)


def select_best(scores: Floats, count: int) -> NDArray[np.int64]:
    """The `count` best of flat scores, sorted."""
    return np.sort(np.argsort(-scores, kind="stable")[:count])


def select_strongest(scores: Floats, count: int) -> NDArray[np.int64]:
    """The `count` flat scores furthest from zero, in either direction, sorted.

    For scores whose sign is a direction, as that of a difference.
    """
    return select_best(np.abs(scores), count)
