"""The weights of a linear module, whichever way round its family keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from profiles.errors import ModelError


@dataclass(frozen=True, kw_only=True, eq=False)
class Affine:
    """y = x @ weight.T + bias.

    Attributes:
        weight: [outputs, inputs].
        bias: [outputs], or None.
    """

    weight: Tensor
    bias: Tensor | None

    def linear(self, parts: Tensor) -> Tensor:
        """Of parts [..., inputs], without the bias."""
        return functional.linear(parts, self.weight)

    def rows(self, begin: int, end: int) -> Affine:
        """What gives the outputs from `begin` to `end` alone."""
        bias = None if self.bias is None else self.bias[begin:end]
        return Affine(weight=self.weight[begin:end], bias=bias)


def affine(module: nn.Module, where: str) -> Affine:
    """The module's weights, in float32 or float64.

    Raises:
        ModelError: it keeps no plain weight, as with most quantized models.
    """
    weight: Any = getattr(module, "weight", None)
    if weight is None or not weight.is_floating_point() or weight.ndim != 2:
        raise ModelError(
            f"{where}: a {type(module).__name__} without a plain weight; splitting its output "
            "over sources needs an unquantized model"
        )
    weight = weight.detach().T if type(module).__name__ == "Conv1D" else weight.detach()
    bias: Any = getattr(module, "bias", None)
    return Affine(weight=wide(weight), bias=None if bias is None else wide(bias.detach()))


def wide(x: Tensor) -> Tensor:
    """In float32 at least."""
    return x if x.element_size() > 4 else x.float()
