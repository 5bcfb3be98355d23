"""What vectors say: the vocabulary they promote and demote. Plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Floats

UP, DOWN = 0, 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Said:
    """What vectors say through the unembedding, upwards (+v) and downwards (-v).

    With x the final norm of v (without its bias), the distribution is p = softmax(E x), that of
    Geva et al. 2021, section 4, behind the norm that today's models have; for -v, softmax(-E x).
    Neither order nor masses depend on the length of v, which the norm takes off.

    Attributes:
        tokens: int32 [..., 2, count], the most likely tokens.
        probability: float32 [..., 2, count], theirs.
        mass: float16 [..., 2, groups], see `Groups`.
    """

    tokens: NDArray[np.int32]
    probability: Floats
    mass: NDArray[np.float16]
