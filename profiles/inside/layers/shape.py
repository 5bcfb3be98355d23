"""How a layer's activations at one token are spread over its units: sparsity and flatness."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_TINY = torch.finfo(torch.float32).tiny


def shape(values: Tensor) -> tuple[Tensor, Tensor]:
    """(sparsity, flatness) of each token's activations, both in 0..1 and blind to their scale.

    Sparsity is Hoyer's (2004), (√n − ‖x‖₁/‖x‖₂) / (√n − 1): 1 where one unit is active, 0 where
    all are alike. Smooth and gated activations have no exact zeros, so a share of those would
    depend on a threshold; this needs none. Flatness is the entropy of the distribution
    q_i = |x_i| / ‖x‖₁, over its greatest value ln n: 1 where all units are alike.

    A token at which nothing is active has sparsity 1 and flatness 0.

    Args:
        values: float32 [..., units], at least two units.
    """
    units = values.shape[-1]
    size = values.abs()
    total = size.sum(-1)
    norm = torch.linalg.vector_norm(values, dim=-1)
    # x ln x is 0 at 0, and so is 0 times the logarithm of the least number there is.
    product = torch.linalg.vecdot(size, size.clamp_min(_TINY).log_())
    some = (total > 0) & (norm > 0)
    total, norm = total.where(some, 1.0), norm.where(some, 1.0)
    root = math.sqrt(units)
    sparsity = ((root - total / norm) / (root - 1)).clamp(0, 1)
    flatness = ((total.log() - product / total) / math.log(units)).clamp(0, 1)
    return sparsity.where(some, 1.0), flatness.where(some, 0.0)
