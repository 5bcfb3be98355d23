"""One decoder layer's feed-forward network in a transformers model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


@dataclass(frozen=True, kw_only=True, eq=False)
class FFN:
    """A feed-forward network by its output, which every one has: dense, or a mixture of experts.

    Attributes:
        layer: index of the decoder layer, from 0.
        output: the module whose output [..., hidden_size] is the FFN's output, bias included,
            before any post-FFN norm.
        hidden_size: width of its output.
        path: name of the module below its decoder layer, e.g. "mlp.down_proj" or, of a mixture
            of experts, "mlp".
    """

    layer: int
    output: nn.Module
    hidden_size: int
    path: str

    def on_output(self, change: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `change` with each output; what it returns, if anything, takes the output's place.

        Args:
            change: gets [..., hidden_size]; batch and sequence may be folded into one axis.
        """

        def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
            # Some mixtures of experts give the router's scores beside their output.
            first, *rest = output if isinstance(output, tuple) else (output,)
            changed = change(first)
            if changed is None:
                return None
            return (changed, *rest) if isinstance(output, tuple) else changed

        return self.output.register_forward_hook(hook)


@dataclass(frozen=True, kw_only=True, eq=False)
class DenseFFN(FFN):
    """One whose neurons are there to be read and edited.

    Attributes:
        down: the down projection; its input [..., intermediate_size] is the neuron vector.
        intermediate_size: neurons of the layer.
    """

    down: nn.Module
    intermediate_size: int
