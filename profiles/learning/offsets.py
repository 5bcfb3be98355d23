"""An offset a layer, on the FFN's output, as something that is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from profiles.errors import ProfileError
from profiles.learning.learnable import Learnable
from profiles.learning.options import Options
from profiles.models.ffn import FFN
from profiles.profile import Edit, OffsetEdit


class LearnableOffsets(Learnable):
    """h' = h + size_l * units_LH[l], h the FFN's output and size_l its root mean square."""

    def __init__(self, ffns: Sequence[FFN]) -> None:
        super().__init__(ffns)
        shape = (len(ffns), ffns[0].hidden_size)
        self.units_LH = nn.Parameter(torch.zeros(shape, device=self.device))

    def parameters(self) -> list[nn.Parameter]:
        return [self.units_LH]

    def rates(self, options: Options, share: float) -> list[float]:
        return [options.rate]

    def keep(self, count: int) -> None:
        return

    def start(self, init: Edit) -> None:
        if init.offsets is None:
            raise ProfileError("learning offsets begins from an edit with offsets")
        with torch.no_grad():
            for layer, value in zip(init.offsets.layer.tolist(), init.offsets.value, strict=True):
                unit = torch.from_numpy(value.copy()).to(self.device)
                self.units_LH[layer] = unit / self.size_L[layer]

    def attach(self, ffn: FFN, layer: int) -> Callable[[], None]:
        def add(h: Tensor) -> Tensor:
            return self.apply(h, self.size_L[layer] * self.units_LH[layer])

        return ffn.on_output(add).remove

    def edit(self, values: Sequence[Tensor]) -> Edit:
        value = (values[0] * self.size_L[:, None]).detach().float().cpu().numpy()
        layer = torch.arange(len(value), dtype=torch.int32).numpy()
        return Edit(offsets=OffsetEdit(layer=layer, value=value))
