"""One measure by layer, with what the bootstrap made of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from profiles.inside.layers.readings import Half
from profiles.profile import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """A measure of each language, each pair of languages, or all of them at once.

    Attributes:
        name: one of `MEASURES`.
        half: of the FFN.
        groups: "de", or "de/en", or "all".
        value: float64 [groups, layers].
        draws: float32 [draws, groups, layers].
    """

    name: str
    half: Half
    groups: tuple[str, ...]
    value: NDArray[np.float64]
    draws: Floats

    def __post_init__(self) -> None:
        if self.value.shape != self.draws.shape[1:] or len(self.value) != len(self.groups):
            raise ValueError(
                f"{self.name}: {len(self.groups)} groups, values {self.value.shape}, draws "
                f"{self.draws.shape}"
            )

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """[layers], over the groups."""
        found: NDArray[np.float64] = self.value.mean(axis=0)
        return found

    @cached_property
    def mean_draws(self) -> NDArray[np.float64]:
        """[draws, layers], over the groups."""
        found: NDArray[np.float64] = self.draws.mean(axis=1, dtype=np.float64)
        return found
