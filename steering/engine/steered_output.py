"""Memories, offsets among them, in the place of an FFN's forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from steering.edit import edit_output, memory_gains
from steering.memory_bank import LayerMemories
from steering.tokens import Tokens


class SteeredOutput(nn.Module):
    """What runs in place of an FFN's forward: it, and then the row's memories.

    A module, and registered below the FFN, so that compilers treat its buffers as they
    treat every other tensor of the model.

    Not a forward hook, though it does what one would. A memory's key reads the FFN's input, and
    the FFN may write there: vLLM declares so of its fused experts. So the products are taken before
    the FFN runs; a pair of hooks would have to leave them on a module in between, which compilers
    see as one more output of the model's graph.
    """

    row: Tensor
    strength: Tensor
    on: Tensor
    key: Tensor | None
    bias: Tensor | None
    value: Tensor

    def __init__(self, memories: LayerMemories, on: Tensor, tokens: Tokens) -> None:
        super().__init__()
        self._tokens = tokens
        for name in ("key", "bias", "value"):
            self.register_buffer(name, getattr(memories, name), persistent=False)
        self.register_buffer("on", on, persistent=False)
        self.register_buffer("row", tokens.row, persistent=False)
        self.register_buffer("strength", tokens.strength, persistent=False)

    def forward(self, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The edited output.

        Args:
            inner: the FFN's own forward; args, kwargs: what it is called with, the input first.

        Returns:
            What `inner` gives, its output edited.
        """
        if not torch.compiler.is_compiling() and not self._tokens.active:
            return inner(*args, **kwargs)
        gain_TM = self._gains(args[0] if args else next(iter(kwargs.values())))
        output = inner(*args, **kwargs)
        # Linear layers of vLLM return (output, bias), some mixtures of experts (output, scores).
        h = output[0] if isinstance(output, tuple) else output
        h_TH = h.flatten(0, -2)
        count = h_TH.shape[0]
        row_T, strength_T = self.row[:count], self.strength[:count]
        edited_TH = edit_output(h_TH, self.on, self.value, row_T, strength_T, gain_TM)
        edited = edited_TH.view(h.shape)
        return (edited, *output[1:]) if isinstance(output, tuple) else edited

    def _gains(self, x: Tensor) -> Tensor | None:
        if self.key is None or self.bias is None:
            return None
        # Models that run through transformers have a batch of one in front, of output and input.
        return memory_gains(x.flatten(0, -2), self.key, self.bias)
