"""A norm layer of any family as numbers: what it multiplies and adds."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from profiles.errors import ModelError

_EPSILON = 1e-6
_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Norm:
    """y = gain * (x - mean(x)) / rms(x - mean(x)) + bias, the mean only where `centred`.

    Attributes:
        gain: float32 [hidden_size].
        bias: float32 [hidden_size], zero in RMS norms.
        centred: whether the mean is taken off first, as LayerNorm does.
    """

    gain: Tensor
    bias: Tensor
    centred: bool

    def __call__(self, x: Tensor) -> Tensor:
        """What the layer makes of x [..., hidden_size], in float32."""
        square = self.centre(x).square().mean(-1, keepdim=True)
        return self.part(x) * torch.rsqrt(square + _EPSILON) + self.bias

    def part(self, x: Tensor) -> Tensor:
        """What x [..., hidden_size] is in a normed sum that holds it, but for the sum's size.

        A norm of a sum is the sum of its parts' `part`, divided by one number, plus the bias,
        which is no part's.
        """
        return self.centre(x) * self.gain

    def centre(self, x: Tensor) -> Tensor:
        """x in float32, without its mean where the norm takes that off."""
        x = x.float()
        return x - x.mean(-1, keepdim=True) if self.centred else x


@torch.no_grad()
def measure_norm(
    module: nn.Module, size: int, path: str = "", device: torch.device | str = "cpu"
) -> Norm:
    """The numbers of a norm layer, found by asking it: families keep its weight differently.

    Gemma multiplies by 1 + weight, Cohere centres without a bias, OLMo has no weight at all.

    Args:
        module: maps [..., size] to [..., size].
        size: its width, even.
        path: what to call it in errors.
        device: where the module is; one without weights is anywhere.

    Raises:
        ModelError: it is neither an RMS norm nor a LayerNorm.
    """
    plain = copy.deepcopy(module).float()
    # +-1 in turns has a mean of 0 and a size of 1: the norm leaves it but for gain and bias.
    sign_H = torch.ones(size, device=device)
    sign_H[1::2] = -1
    up_H, down_H = plain(sign_H[None])[0].float(), plain(-sign_H[None])[0].float()
    shifted_H = plain(sign_H[None] + 1)[0].float()
    norm = Norm(
        gain=(up_H - down_H) / 2 * sign_H,
        bias=(up_H + down_H) / 2,
        centred=bool(torch.allclose(shifted_H, up_H, atol=_TOLERANCE * float(up_H.abs().max()))),
    )
    probe = torch.randn(3, size, generator=torch.Generator().manual_seed(0)).to(device) + 0.3
    found, expected = plain(probe).float(), norm(probe)
    if not torch.allclose(found, expected, atol=_TOLERANCE * float(expected.abs().max())):
        off = float((found - expected).abs().max())
        raise ModelError(
            f"{path or 'the norm'} is a {type(module).__name__}, neither an RMS norm nor a "
            f"LayerNorm (off by {off:.2g}): its part in what a neuron says is unknown"
        )
    return norm
