"""Neurons given up under an L1 penalty while they are learned."""

from __future__ import annotations

import torch

from profiles.learning.neurons import LearnableNeurons

# Of the penalty, in units of the optimizer's step: what a gradient of unsteady sign adds to a
# neuron the penalty takes away again, what a steady one adds it takes half of.
_WEIGHT = 0.5


class L1Neurons(LearnableNeurons):
    """Neurons whose edits all shrink by the same amount a step, as far as zero.

    The proximal step of an L1 penalty (Daubechies et al. 2004, equation 1.4) on every number that
    is learned, in its own unit: x becomes sign(x) max(0, |x| - t). Where that leaves more neurons
    than the budget allows so far, the smallest are set to zero as well. A neuron at zero comes
    back where its gradient insists, until the budget is reached.
    """

    @torch.no_grad()
    def approach(self, count: int, rates: list[float]) -> None:
        for parameter, rate in zip(self.parameters(), rates, strict=True):
            shrunk = (parameter.abs() - _WEIGHT * rate).clamp_min(0)
            parameter.copy_(parameter.sign() * shrunk)
        kept_LI = self.best(self.sizes(), count)
        for parameter in self.parameters():
            parameter.mul_(kept_LI)

    def active(self) -> int:
        return max(1, int(((self.sizes() > 0) & self.mask_LI).sum()))
