"""The bootstrap over lines, and the intervals it gives. Pure numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Floats

_ENDS = (0.025, 0.975)


def resamples(lines: int, draws: int, seed: int = 0) -> Floats:
    """float32 [draws, lines], how often each line is in each draw of as many lines as there are.

    A line stands for its translations too: languages are resampled jointly, as what a line is
    about makes them alike.

    Raises:
        ValueError: not even one draw, or no line.
    """
    if lines < 1 or draws < 1:
        raise ValueError(f"{draws} draws of {lines} lines: at least one of either is needed")
    rng = np.random.default_rng(seed)
    return rng.multinomial(lines, np.full(lines, 1 / lines), draws).astype(np.float32)


def interval(
    value: NDArray[np.float64], draws: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95% bounds around `value`: the draws' quantiles, moved by what their mean is off.

    A resample holds fewer different lines than the corpus, so that overlaps come out lower in it
    and differences larger. Quantiles as they are would inherit that bias and may not even hold the
    value; moved, they say how far the value would vary with other lines.

    Args:
        value: [...].
        draws: [draws, ...].
    """
    drawn = draws.astype(np.float64)
    low, high = np.quantile(drawn - drawn.mean(axis=0), _ENDS, axis=0)
    # Rounding must not push a bound past the value where all draws agree.
    return value + np.minimum(low, 0), value + np.maximum(high, 0)


def rounded(value: Any, digits: int = 5) -> Any:
    """Nested lists of numbers, rounded for JSON."""
    return np.round(np.asarray(value, np.float64), digits).tolist()
