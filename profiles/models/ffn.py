"""One decoder layer's feed-forward network in a transformers model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from profiles.errors import ModelError


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
        block: the module that is called with the FFN's input [..., hidden_size] first; None where
            no module is, as in OPT and XGLM.
    """

    layer: int
    output: nn.Module
    hidden_size: int
    path: str
    block: nn.Module | None

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

    def on_both(self, change: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], None]:
        """Call `change` with each input and its output; what it returns takes the output's place.

        Args:
            change: gets [..., hidden_size] twice; of either, batch and sequence may be folded into
                one axis.

        Returns:
            What undoes it.

        Raises:
            ModelError: no module gets the FFN's input; the forward pass raises it too, where the
                one that should does not.
        """
        if self.block is None:
            raise ModelError(
                f"no module of the model gets the input of layer {self.layer}'s FFN ({self.path}), "
                "which a memory's key reads. Offsets need none: `langsteer profile --method "
                "learned-offset`"
            )
        seen: list[Tensor] = []

        def note(_module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
            # BLOOM gives the residual as a second one.
            seen[:] = [args[0] if args else next(iter(kwargs.values()))]

        def use(h: Tensor) -> Tensor:
            if not seen or seen[0].shape[-1] != self.hidden_size:
                found = f"[..., {seen[0].shape[-1]}]" if seen else "nothing"
                raise ModelError(
                    f"layer {self.layer}: {type(self.block).__name__}, which should get the input "
                    f"of the FFN ({self.path}), [..., {self.hidden_size}], got {found}. Offsets "
                    "need no input: `langsteer profile --method learned-offset`"
                )
            return change(seen.pop(), h)

        with ExitStack() as stack:
            block = self.block.register_forward_pre_hook(note, with_kwargs=True)
            stack.callback(block.remove)
            stack.callback(self.on_output(use).remove)
            return stack.pop_all().close


@dataclass(frozen=True, kw_only=True, eq=False)
class DenseFFN(FFN):
    """One whose neurons are there to be read and edited.

    Attributes:
        down: the down projection; its input [..., intermediate_size] is the neuron vector.
        intermediate_size: neurons of the layer.
    """

    down: nn.Module
    intermediate_size: int
