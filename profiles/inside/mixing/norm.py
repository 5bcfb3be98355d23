"""A normalization layer, split over the sources of what it normalizes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from profiles.errors import ModelError


@dataclass(frozen=True, kw_only=True, eq=False)
class Norm:
    """LayerNorm or RMSNorm as it was applied to T vectors: y = scale · gain ∘ (x − mean x) + bias.

    RMSNorm has neither mean nor bias. The scale comes of the whole vector, so that it divides every
    part of it alike (Kobayashi et al. 2021, section 3), and parts sum to the output still.

    Attributes:
        gain, bias: [hidden_size]; bias zero where the layer has none.
        centred: whether the mean is taken off.
        scale: [T], one over the standard deviation, or the root mean square, of each vector.
    """

    gain: Tensor
    bias: Tensor
    centred: bool
    scale: Tensor

    def linear(self, parts: Tensor, at: slice) -> Tensor:
        """Parts [t, sources, hidden_size] of the vectors `at`, without the bias."""
        return self.turned(parts) * self.scale[at, None, None]

    def turned(self, parts: Tensor) -> Tensor:
        """Parts [..., hidden_size] of any vector, without bias and scale."""
        if self.centred:
            parts = parts - parts.mean(-1, keepdim=True)
        return parts * self.gain


def applied_norm(module: nn.Module, x_TH: Tensor, y_TH: Tensor, where: str) -> Norm:
    """What `module` did when it made `y_TH` of `x_TH`.

    Found by trying it, not by its name: a constant vector becomes the bias under LayerNorm and the
    gain under RMSNorm, whether a family stores the gain or, as Gemma does, the gain less one.

    Args:
        where: names the module in an error.

    Raises:
        ModelError: it is neither, as far as these vectors show.
    """
    size = x_TH.shape[-1]
    ones = torch.ones(size, dtype=x_TH.dtype, device=x_TH.device)
    plus, minus = (_call(module, sign * ones, y_TH) for sign in (1, -1))
    bias, gain = (plus + minus) / 2, (plus - minus) / 2
    centred = bool(gain.norm() <= 1e-3 * _call(module, _alternating(ones), y_TH).norm())
    if centred:
        gain = (_call(module, _alternating(ones), y_TH) - bias) * _alternating(ones)
        if size % 2:  # their mean is not quite zero
            raise ModelError(f"{where}: a LayerNorm over {size} numbers; only even sizes are split")
    x, y = _wide(x_TH), _wide(y_TH)
    straight = gain * (x - x.mean(-1, keepdim=True) if centred else x)
    scale = ((y - bias) * straight).sum(-1) / straight.square().sum(-1).clamp_min(1e-30)
    off = relative_error(straight * scale[:, None] + bias, y)
    if not off <= 0.02:
        raise ModelError(
            f"{where} ({type(module).__name__}) is neither LayerNorm nor RMSNorm: as either it "
            f"would give another output, off by {off:.2g} of its length. contextualize knows "
            "these two"
        )
    return Norm(gain=gain, bias=bias, centred=centred, scale=scale)


def relative_error(found: Tensor, real: Tensor) -> float:
    """The largest ‖found − real‖ / ‖real‖ over rows [..., hidden_size]."""
    real = _wide(real)
    length = real.norm(dim=-1).clamp_min(1e-12)
    return float(((_wide(found) - real).norm(dim=-1) / length).max())


def _call(module: nn.Module, x: Tensor, like: Tensor) -> Tensor:
    # Not module(x): hooks of a running forward pass are not to see this.
    return _wide(module.forward(x.to(like.dtype)[None])[0])


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _alternating(ones: Tensor) -> Tensor:
    out = ones.clone()
    out[1::2] = -1
    return _wide(out)
