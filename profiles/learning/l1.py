"""Neurons given up by an L1 penalty while the others are learned."""

from __future__ import annotations

from typing import Any

import torch

from profiles.learning.neurons import LearnableNeurons


class L1Neurons(LearnableNeurons):
    """Neurons whose edits shrink by the same amount a step, down to zero and up again.

    The proximal step of an L1 penalty (Daubechies et al. 2004, equation 1.4), of a group penalty
    where additions and factors are learned together (Yuan & Lin 2006): a size s becomes
    max(0, s - t). The threshold t is what leaves just as many neurons as the budget allows so far,
    so the penalty needs no weight of its own. A neuron at zero comes back where its gradient
    insists.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._left = super().count()

    def count(self) -> int:
        return min(super().count(), self._left)

    @torch.no_grad()
    def approach(self, count: int) -> None:
        size_LI = torch.where(self.mask_LI, self.sizes(), 0.0)
        threshold = size_LI.flatten().topk(min(count + 1, size_LI.numel())).values[-1]
        left_LI = (1 - threshold / size_LI.clamp_min(1e-12)).clamp_min(0)
        for parameter in self.parameters():
            parameter.mul_(left_LI)
        self._left = count
