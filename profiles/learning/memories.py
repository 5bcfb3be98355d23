"""One more memory a layer, with a key, as something that is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from profiles.errors import ProfileError
from profiles.learning.learnable import Learnable
from profiles.learning.options import Options
from profiles.models.ffn import FFN
from profiles.models.gate import gate
from profiles.profile import Edit, MemoryEdit


class LearnableMemories(Learnable):
    """h' = h + gate(x, key_LH[l], bias_L[l]) * size_l * units_LH[l], see `gate` and `MemoryEdit`.

    It begins as an offset begins, h' = h with the gate at 1, and becomes one wherever the key
    stays zero. What the key can learn is where there is nothing left to change.

    Args:
        ffns: see `Learnable`.

    Raises:
        ModelError: no module gets an FFN's input, see `FFN.on_both`.
    """

    def __init__(self, ffns: Sequence[FFN]) -> None:
        super().__init__(ffns)
        shape = (len(ffns), ffns[0].hidden_size)
        self.units_LH = nn.Parameter(torch.zeros(shape, device=self.device))
        self.key_LH = nn.Parameter(torch.zeros(shape, device=self.device))
        self.bias_L = nn.Parameter(torch.zeros(len(ffns), device=self.device))
        with self:  # hooks that no forward pass sees: they say what cannot be hooked
            pass

    def parameters(self) -> list[nn.Parameter]:
        return [self.units_LH, self.key_LH, self.bias_L]

    def rates(self, options: Options, share: float) -> list[float]:
        return [options.rate, options.key_rate, options.bias_rate]

    def keep(self, count: int) -> None:
        return

    def start(self, init: Edit) -> None:
        if init.memories is None:
            raise ProfileError("learning memories begins from an edit with memories")
        at = torch.from_numpy(init.memories.layer).long().to(self.device)
        key, bias, value = (
            torch.from_numpy(array.copy()).to(self.device)
            for array in (init.memories.key, init.memories.bias, init.memories.value)
        )
        with torch.no_grad():
            self.units_LH[at] = value / self.size_L[at, None]
            self.key_LH[at] = key
            self.bias_L[at] = bias

    def attach(self, ffn: FFN, layer: int) -> Callable[[], None]:
        def add(x: Tensor, h: Tensor) -> Tensor:
            key_1H, bias_1 = self.key_LH[layer, None], self.bias_L[layer, None]
            opened = gate(x, key_1H, bias_1).reshape(*h.shape[:-1], 1)
            return self.apply(h, opened * (self.size_L[layer] * self.units_LH[layer]))

        return ffn.on_both(add)

    def edit(self, values: Sequence[Tensor]) -> Edit:
        units, key, bias = (value.detach().float() for value in values)
        value = (units * self.size_L[:, None]).cpu().numpy()
        return Edit(
            memories=MemoryEdit(
                layer=torch.arange(len(value), dtype=torch.int32).numpy(),
                key=key.cpu().numpy(),
                bias=bias.cpu().numpy(),
                value=value,
            )
        )
