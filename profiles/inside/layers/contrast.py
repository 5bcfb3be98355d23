"""Are the layers nearest input and output more specific than those between? Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from profiles.inside.layers.measured import Measured
from profiles.inside.layers.measures import MEASURES
from profiles.inside.layers.resample import interval

Outcome = Literal["more", "less", "undecided"]
ENDS = ("both", "input", "output")


@dataclass(frozen=True, kw_only=True)
class Quarters:
    """A model's layers: the first quarter, the last one, and those between.

    Attributes:
        input, middle, output: layers, ascending; `middle` is empty where there are only two.
    """

    input: tuple[int, ...]
    middle: tuple[int, ...]
    output: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """How much more specific an end of the model is than its middle, in a measure's own unit.

    Attributes:
        value: mean over the end's layers less that over the middle ones; of a measure that falls
            with specificity the other way round, so that more is always more specific.
        low, high: 95% interval, over lines.
        groups_for: languages, or pairs of them, whose own contrast is above 0.
    """

    value: float
    low: float
    high: float
    groups_for: int

    @property
    def outcome(self) -> Outcome:
        return "more" if self.low > 0 else "less" if self.high < 0 else "undecided"


def quarters(layers: int) -> Quarters:
    """A quarter of the layers at either end, rounded down, but at least one.

    Raises:
        ValueError: fewer than two layers.
    """
    if layers < 2:
        raise ValueError(f"{layers} layers: comparing takes at least two")
    size = max(1, layers // 4)
    every = range(layers)
    return Quarters(
        input=tuple(every[:size]),
        middle=tuple(every[size : layers - size]),
        output=tuple(every[layers - size :]),
    )


def contrasts(measured: Measured) -> dict[str, Contrast] | None:
    """By end ("both", "input", "output"); None where there is no middle, or no such claim.

    "both" is the mean of the two ends' contrasts.
    """
    sign = MEASURES[measured.name].specific
    at = quarters(measured.value.shape[1])
    if not sign or not at.middle:
        return None

    def over(values: NDArray[np.floating], where: str) -> NDArray[np.float64]:
        middle = values[..., at.middle].mean(axis=-1, dtype=np.float64)
        ends = [getattr(at, end) for end in ENDS[1:] if where in ("both", end)]
        tops = [values[..., end].mean(axis=-1, dtype=np.float64) for end in ends]
        found: NDArray[np.float64] = sign * (np.mean(tops, axis=0) - middle)
        return found

    out = {}
    for end in ENDS:
        value = over(measured.mean, end)
        low, high = interval(value, over(measured.mean_draws, end))
        out[end] = Contrast(
            value=float(value),
            low=float(low),
            high=float(high),
            groups_for=int((over(measured.value, end) > 0).sum()),
        )
    return out
