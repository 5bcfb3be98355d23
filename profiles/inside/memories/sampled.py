"""What a sample of positions shows of how layers compose memories and refine a prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Floats

UNREAD = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampled:
    """Readings by sampled position and layer, arrays [positions, layers] where not said otherwise.

    "Before" is the residual stream that a layer's FFN output is added to, "after" the sum.

    Attributes:
        labels: int32 [positions], index of each one's language.
        final: int32 [positions], the token that the model itself ranks first.
        before, after: int32, the token that the stream ranks first, read as if it were the last.
        output: int32, the token that the FFN's output alone ranks first.
        before_p, after_p: float32, probability the stream gives the final token.
        after_rank: int32, the final token's rank in it, from 1.
        lead: int32, the neuron that adds most, by |coefficient| times its value's length.
        lead_up: bool, whether its coefficient is positive.
        effective: float32, (sum of what neurons add)^2 / sum of the squares, what one adds being
            |coefficient| times its value's length: so many equal ones would be as concentrated.
        alone: int8, 1 where the output's first token is no neuron's, 0 where some neuron's, up or
            down as its coefficient says; `UNREAD` where values were not read.
    """

    labels: NDArray[np.int32]
    final: NDArray[np.int32]
    before: NDArray[np.int32]
    after: NDArray[np.int32]
    output: NDArray[np.int32]
    before_p: Floats
    after_p: Floats
    after_rank: NDArray[np.int32]
    lead: NDArray[np.int32]
    lead_up: NDArray[np.bool_]
    effective: Floats
    alone: NDArray[np.int8]
