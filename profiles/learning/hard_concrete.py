"""Neurons given up by stochastic gates that are learned with their edits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from profiles.learning.neurons import LearnableNeurons
from profiles.learning.options import Options
from profiles.profile import Edit

# Temperature and the stretched interval's ends, as Louizos et al. recommend.
_BETA, _LOW, _HIGH = 2 / 3, -0.1, 1.1
_OPEN = 2.0  # ln alpha of a gate at the beginning: nearly always open
_FIXED = 9.0  # that of one that is always open
# How far all gates together can move while learning lasts. They have half of that time, at rates
# that fall: enough for some ten units, and one in a hundred open takes eight.
_TRAVEL = 36.0
_WEIGHT = 10.0  # of the penalty, nats for a count that is e times too high


class HardConcreteNeurons(LearnableNeurons):
    """Neurons whose edits are multiplied by gates z in [0, 1], drawn anew every step.

    The L0 relaxation of Louizos, Welling and Kingma (2018): a gate is
    z = min(1, max(0, s (high - low) + low)),
    where s = sigmoid((ln u - ln(1 - u) + ln alpha) / beta) and u is uniform (equations 10, 11). A
    penalty draws the expected count of gates that are not shut (equation 12) to what the budget
    allows so far. In the end the gates most likely open stay, at what they are without noise
    (equation 13), and learning goes on.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.open_LI = nn.Parameter(torch.full_like(self.units_LI, _OPEN))
        self._whole = self._goal = self.count()
        self._noise_LI: Tensor | None = None

    def parameters(self) -> list[nn.Parameter]:
        return [*super().parameters(), self.open_LI]

    def rates(self, options: Options, share: float) -> list[float]:
        return [*super().rates(options, share), 0.0 if self._settled else _TRAVEL * share]

    def active(self) -> int:
        return max(1, round(float(self.expected().detach())))

    def expected(self) -> Tensor:
        """How many gates are not shut, on average; a scalar with a gradient."""
        chance_LI = torch.sigmoid(self.open_LI - _BETA * math.log(-_LOW / _HIGH))
        return (chance_LI * self.mask_LI).sum()

    @property
    def _settled(self) -> bool:
        return self.count() < self._whole

    def begin(self, first_B: Tensor, draw: int | None = None) -> None:
        super().begin(first_B, draw)
        self._noise_LI = None
        if draw is not None and not self._settled:
            generator = torch.Generator().manual_seed(draw)
            u_LI = torch.rand(self.open_LI.shape, generator=generator).clamp(1e-6, 1 - 1e-6)
            self._noise_LI = (u_LI / (1 - u_LI)).log().to(self.device)

    def gate(self, layer: int) -> Tensor:
        noise = None if self._noise_LI is None else self._noise_LI[layer]
        return _gate(self.open_LI[layer], noise) * self.mask_LI[layer]

    def penalty(self) -> Tensor | None:
        if self._settled:
            return None
        return _WEIGHT * functional.relu((self.expected() / self._goal).log()).square()

    def approach(self, count: int, rates: list[float]) -> None:
        self._goal = count

    @torch.no_grad()
    def keep(self, count: int) -> None:
        self.mask_LI = self.best(self.open_LI, count)
        z_LI = _gate(self.open_LI)
        for parameter in super().parameters():
            parameter.mul_(z_LI)
        self.open_LI.fill_(_FIXED)

    def edit(self, values: Sequence[Tensor]) -> Edit:
        *learned, open_LI = values
        z_LI = _gate(open_LI)
        return super().edit([value * z_LI for value in learned])


def _gate(open_: Tensor, noise: Tensor | None = None) -> Tensor:
    s = torch.sigmoid(open_ if noise is None else (noise + open_) / _BETA)
    return (s * (_HIGH - _LOW) + _LOW).clamp(0, 1)
