"""How far the keys of added memories open them, see `MemoryEdit`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from profiles.profile import INPUT_EPSILON


def gate(x: Tensor, key_MH: Tensor, bias_M: Tensor) -> Tensor:
    """2 sigmoid(key . x / rms(x) + bias): from 0 to 2, and 1 where key and bias are zero.

    Args:
        x: [..., hidden_size], the FFN's input.
        key_MH: float32 [memories, hidden_size].
        bias_M: float32 [memories], of the keys.

    Returns:
        float32 [..., memories].
    """
    x = x.float()
    x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + INPUT_EPSILON)
    return 2 * torch.sigmoid(functional.linear(x, key_MH, bias_M))
