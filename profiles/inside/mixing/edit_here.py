"""A steering edit in one layer, as parts of the feed-forward network's output."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from profiles.compose import Composed
from profiles.profile import INPUT_EPSILON


@dataclass(frozen=True, kw_only=True, eq=False)
class EditHere:
    """What an edit does in a layer, at its strength.

    The edit is a source of its own, beside the tokens. Of a neuron, `scale` multiplies whatever
    each source gave it, and `add` is the edit's. An offset is the edit's. A memory is one more
    neuron, 2σ(key·x + bias), and is split like one: what its key makes of a token's part is that
    token's, and 2σ(bias), what it gives whatever the text, is the edit's.

    Attributes:
        neuron: int64 [n], edited neurons.
        add, scale: [n], times strength.
        offset: [hidden_size], times strength.
        key, bias: of memories.
        value: [memories, hidden_size], times strength.
    """

    neuron: Tensor
    add: Tensor
    scale: Tensor
    offset: Tensor
    key: Tensor
    bias: Tensor
    value: Tensor

    def on_neurons(self, y_tSI: Tensor) -> None:
        """Edit neurons by source, in place; the edit is the last source."""
        if not len(self.neuron):
            return
        y_tSI[..., self.neuron] *= 1 + self.scale
        y_tSI[:, -1, self.neuron] += self.add

    def on_output(self, h_tSH: Tensor, parts_tSH: Tensor) -> None:
        """Edit the output by source, in place.

        Args:
            h_tSH: the output's parts; the edit is the last source.
            parts_tSH: the input's.
        """
        h_tSH[:, -1] += self.offset
        if not len(self.bias):
            return
        mean_square = parts_tSH.sum(1).square().mean(-1) + INPUT_EPSILON
        z_tSM = (parts_tSH * mean_square.rsqrt()[:, None, None]) @ self.key.T
        z, fixed = z_tSM.sum(1), 2 * torch.sigmoid(self.bias)
        zero = z.abs() < 1e-12
        slope = fixed * (1 - fixed / 2)
        by = (2 * torch.sigmoid(z + self.bias) - fixed) / torch.where(zero, 1.0, z)
        h_tSH += (z_tSM * torch.where(zero, slope, by)[:, None]) @ self.value
        h_tSH[:, -1] += fixed @ self.value


def edit_here(composed: Composed, layer: int, strength: float, like: Tensor) -> EditHere | None:
    """The edit in `layer`, None where it does nothing.

    Args:
        like: gives type, device and width [..., hidden_size] of what is edited.
    """
    neurons, offset = composed.neurons.get(layer), composed.offsets.get(layer)
    memories = composed.memories.get(layer)
    if neurons is None and offset is None and memories is None:
        return None
    size = like.shape[-1]

    def of(array: object, *shape: int) -> Tensor:
        given = torch.zeros(shape) if array is None else torch.as_tensor(array)
        return given.to(device=like.device, dtype=like.dtype)

    index = torch.as_tensor([] if neurons is None else neurons.neuron, dtype=torch.int64)
    return EditHere(
        neuron=index.to(like.device),
        add=strength * of(neurons and neurons.add, 0),
        scale=strength * of(neurons and neurons.scale, 0),
        offset=strength * of(offset, size),
        key=of(memories and memories.key, 0, size),
        bias=of(memories and memories.bias, 0),
        value=strength * of(memories and memories.value, 0, size),
    )
