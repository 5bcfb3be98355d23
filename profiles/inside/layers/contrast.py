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
ENDS = ("both", "input", "output", "first", "last")


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
    """How much more specific some layers are than the middle ones, in a measure's own unit.

    Attributes:
        value: mean over those layers less that over the middle ones; of a measure that falls
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
    """By end; None where there is no middle, or the measure makes no such claim.

    "input" and "output" are the outer quarters, "both" is the mean of the two contrasts, "first"
    and "last" are the outermost layers alone.
    """
    sign = MEASURES[measured.name].specific
    layers = measured.value.shape[1]
    at = quarters(layers)
    if not sign or not at.middle:
        return None
    places: dict[str, list[tuple[int, ...]]] = {
        "input": [at.input],
        "output": [at.output],
        "both": [at.input, at.output],
        "first": [(0,)],
        "last": [(layers - 1,)],
    }

    def over(values: NDArray[np.floating], where: str) -> NDArray[np.float64]:
        middle = values[..., at.middle].mean(axis=-1, dtype=np.float64)
        tops = [values[..., part].mean(axis=-1, dtype=np.float64) for part in places[where]]
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
