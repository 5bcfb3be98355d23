"""How far a language's mean is from the others': plain, and in standard deviations. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Floats

# Stands for infinity, which neither sorts with NaN in sight nor goes into JSON: the score of a
# neuron that is constant within a language and within the others, but differs between them.
LARGEST = np.float32(1e6)


def difference(mean: Floats) -> Floats:
    """Each language's mean minus the mean of the others, every other language counting alike.

    Args:
        mean: [languages, ...], at least two languages.

    Returns:
        float32 [languages, ...].

    Raises:
        ValueError: fewer than two languages.
    """
    return (mean - _others(mean)).astype(np.float32)


def standardized_difference(mean: Floats, std: Floats) -> Floats:
    """Mean difference between a language and the rest in standard deviations (Cohen's d).

    d = (m - m_rest) / sqrt((s² + s_rest²) / 2), where the rest is an even mixture of the other
    languages: m_rest = mean of their m_j, s_rest² = mean of their s_j² + (m_j - m_rest)². Even,
    because how many tokens a language has says more about the tokenizer than about the neuron.

    Args:
        mean: [languages, layers, neurons], mean activation over a language's tokens.
        std: [languages, layers, neurons], their population standard deviation.

    Returns:
        float32 [languages, layers, neurons], within ±LARGEST; 0 for a dead neuron.

    Raises:
        ValueError: fewer than two languages, or shapes that differ.
    """
    if mean.shape != std.shape:
        raise ValueError(f"mean has shape {mean.shape}, std {std.shape}")
    # float64: of a neuron with a large mean the squares differ late.
    m: NDArray[np.float64] = mean.astype(np.float64)
    squares = std.astype(np.float64) ** 2 + m**2
    rest = _others(m)
    variance = std.astype(np.float64) ** 2 + np.maximum(_others(squares) - rest**2, 0)
    deviation = np.sqrt(variance / 2)
    apart = m - rest
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(apart == 0, 0, apart / deviation)
    return np.clip(score, -LARGEST, LARGEST).astype(np.float32)


def _others(values: NDArray[Any]) -> NDArray[np.float64]:
    if len(values) < 2:
        raise ValueError(f"{len(values)} languages; a difference needs two")
    total = values.sum(axis=0, dtype=np.float64)
    others: NDArray[np.float64] = (total - values) / (len(values) - 1)
    return others
