"""What each memory's key responds to most: its trigger prefixes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Triggers:
    """By neuron, the places with the largest coefficients (Geva et al. 2021, section 3).

    The coefficient is the entry of what the down projection reads: act(key x) without a gate,
    act(gate x) * up x with one. A gated one has both signs and then adds the value or takes it
    away: so both ends are kept. Without a gate the low end is what the activation lets through
    below zero, nothing for ReLU and little for GELU.

    Attributes:
        high: float32 [layers, neurons, count], the largest positive coefficients, falling; 0 where
            there were fewer.
        high_at: int64 [layers, neurons, count], their places in the `Text`; -1 for none.
        low: float32 [layers, neurons, count], the most negative ones, rising.
        low_at: int64 [layers, neurons, count].
    """

    high: Floats
    high_at: NDArray[np.int64]
    low: Floats
    low_at: NDArray[np.int64]
