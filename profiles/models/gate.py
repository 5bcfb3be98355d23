"""How far the key of one more memory opens it, see `MemoryEdit`."""

from __future__ import annotations

import torch
from torch import Tensor

from profiles.profile import INPUT_EPSILON


def gate(x: Tensor, key_H: Tensor, bias: Tensor | float) -> Tensor:
    """2 sigmoid(key . x / rms(x) + bias): from 0 to 2, and 1 where key and bias are zero.

    Args:
        x: [..., hidden_size], the FFN's input.
        key_H: float32 [hidden_size].
        bias: of the key.

    Returns:
        float32 [..., 1].
    """
    x = x.float()
    x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + INPUT_EPSILON)
    return 2 * torch.sigmoid((x * key_H).sum(-1, keepdim=True) + bias)
