"""Additions to single neurons and factors on them, as something that is learned."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from profiles.errors import ProfileError
from profiles.learning.learnable import Learnable
from profiles.learning.options import Options
from profiles.models.ffn import FFN, DenseFFN
from profiles.models.values import value_vectors
from profiles.profile import Edit, NeuronEdit

_MANY = 128  # neurons a layer


class LearnableNeurons(Learnable):
    """y' = y + unit * units + gains * y on chosen neurons, y the down projection's input.

    A neuron's unit is the addition that would move its layer's FFN output by the output's own
    root mean square, size_l * sqrt(hidden_size) / |v_i| with v_i the neuron's value vector: one
    step size then suits all neurons of all layers.

    Args:
        ffns: see `Learnable`.
        chosen: which neurons; None for all of them.
        gains: learn factors as well as additions.
        additions: learn additions; without them only factors, which leave a silent neuron silent.
    """

    def __init__(
        self,
        ffns: Sequence[DenseFFN],
        chosen: NeuronEdit | None = None,
        *,
        gains: bool = False,
        additions: bool = True,
    ) -> None:
        super().__init__(ffns)
        self._dense = ffns
        shape = (len(ffns), ffns[0].intermediate_size)
        mask_LI = torch.full(shape, chosen is None, device=self.device)
        if chosen is not None:
            mask_LI[_places(chosen)] = True
        self.mask_LI: Tensor = mask_LI
        self.units_LI = nn.Parameter(torch.zeros(shape, device=self.device))
        self.gains_LI = nn.Parameter(torch.zeros(shape, device=self.device))
        self._learned = [(self.units_LI, additions), (self.gains_LI, gains)]
        self._activity_LI = torch.ones(shape, device=self.device)
        self._norms_LI = torch.stack([value_vectors(f).norm(dim=0) for f in ffns]).clamp_min(1e-6)

    def unit(self) -> Tensor:
        """float32 [layers, neurons]: what an addition of 1 stands for, in activation."""
        return self.size_L[:, None] * math.sqrt(self.ffns[0].hidden_size) / self._norms_LI

    def parameters(self) -> list[nn.Parameter]:
        return [parameter for parameter, wanted in self._learned if wanted]

    def rates(self, options: Options, share: float) -> list[float]:
        # The more neurons share a layer's output, the less each has to add; and of very many, the
        # steps of unsteady sign would come to more than the steady ones.
        per_layer = max(1.0, self.active() / len(self.ffns))
        among = math.sqrt(per_layer * max(1.0, per_layer / _MANY))
        both = (options.neuron_rate / among, options.gain_rate)
        return [rate for rate, (_, wanted) in zip(both, self._learned, strict=True) if wanted]

    def watch(self, layer: int, kept_N: Tensor) -> Callable[[], None]:
        def note(_module: nn.Module, args: tuple[Any, ...]) -> None:
            y = args[0].flatten(0, -2)[kept_N].float().abs()
            # BOS would outweigh all else. A quantile is sought among a million numbers at most.
            few = y.flatten()[:: max(1, y.numel() // 1_000_000)]
            self._activity_LI[layer] = y.clamp_max(few.quantile(0.999)).mean(0)

        return self._dense[layer].down.register_forward_pre_hook(note).remove

    def start(self, init: Edit) -> None:
        if init.neurons is None:
            raise ProfileError("learning neurons begins from an edit of neurons")
        at = _places(init.neurons)
        with torch.no_grad():
            add = torch.from_numpy(init.neurons.add.copy()).to(self.device)
            self.units_LI[at] = add / self.unit()[at]
            self.gains_LI[at] = torch.from_numpy(init.neurons.scale.copy()).to(self.device)

    def keep(self, count: int) -> None:
        """Give up all but the `count` neurons whose edit moves their layer's output most."""
        self.mask_LI = self.best(self.sizes(), count)

    def sizes(self) -> Tensor:
        """float32 [layers, neurons]: how far each neuron's edit moves its layer's output."""
        # A factor does so by as much as the neuron is active.
        size_LI = self.units_LI.detach().abs()
        return size_LI + self.gains_LI.detach().abs() * self._activity_LI / self.unit()

    def best(self, worth_LI: Tensor, count: int) -> Tensor:
        """bool [layers, neurons]: the `count` of most worth among those still learned."""
        worth_LI = torch.where(self.mask_LI, worth_LI, -math.inf)
        chosen = worth_LI.flatten().topk(min(count, self.count())).indices
        best = torch.zeros_like(self.mask_LI).flatten()
        best[chosen] = True
        return best.view_as(self.mask_LI)

    def gate(self, layer: int) -> Tensor:
        """Factor on each neuron's edit, float or bool [neurons]: 0 where it is not learned."""
        return self.mask_LI[layer]

    def attach(self, ffn: FFN, layer: int) -> Callable[[], None]:
        gains = self._learned[1][1]

        def edit(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            gate = self.gate(layer)
            delta = self.unit()[layer] * self.units_LI[layer] * gate
            if gains:
                delta = delta + args[0].float() * (self.gains_LI[layer] * gate)
            return (self.apply(args[0], delta), *args[1:])

        return self._dense[layer].down.register_forward_pre_hook(edit).remove

    def edit(self, values: Sequence[Tensor]) -> Edit:
        given = iter(values)
        units, gains = (
            next(given) if wanted else parameter.detach() for parameter, wanted in self._learned
        )
        layer, neuron = self.mask_LI.cpu().nonzero().T
        add = (units * self.unit())[layer, neuron]
        return Edit(
            neurons=NeuronEdit(
                layer=layer.numpy().astype(np.int32),
                neuron=neuron.numpy().astype(np.int32),
                add=add.detach().float().cpu().numpy(),
                scale=gains[layer, neuron].detach().float().cpu().numpy(),
            )
        )


def _places(edit: NeuronEdit) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(edit.layer).long(), torch.from_numpy(edit.neuron).long()
