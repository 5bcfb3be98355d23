"""Offset and memory, in the place of an FFN's forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from steering.edit import edit_memory, edit_output, memory_gain
from steering.tables import LayerTables
from steering.tokens import Tokens


class SteeredOutput(nn.Module):
    """What runs in place of an FFN's forward: it, and then the row's offset and memory.

    A module, and registered below the FFN, so that compilers treat its buffers as they
    treat every other tensor of the model.

    Not a forward hook, though it does what one would. A memory's key reads the FFN's input, and
    the FFN may write there: vLLM declares so of its fused experts. So the product is taken before
    the FFN runs; a pair of hooks would have to leave it on a module in between, which compilers see
    as one more output of the model's graph.
    """

    row: Tensor
    strength: Tensor
    offset: Tensor | None
    key: Tensor | None
    value: Tensor | None
    bias: Tensor | None

    def __init__(self, tables: LayerTables, tokens: Tokens) -> None:
        super().__init__()
        self._tokens = tokens
        for name in ("offset", "key", "value", "bias"):
            self.register_buffer(name, getattr(tables, name), persistent=False)
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
        gain_T = self._gain(args[0] if args else next(iter(kwargs.values())))
        output = inner(*args, **kwargs)
        # Linear layers of vLLM return (output, bias), some mixtures of experts (output, scores).
        h = output[0] if isinstance(output, tuple) else output
        edited = self._edit(h.flatten(0, -2), gain_T).view(h.shape)
        return (edited, *output[1:]) if isinstance(output, tuple) else edited

    def _gain(self, x: Tensor) -> Tensor | None:
        if self.key is None or self.bias is None:
            return None
        # Models that run through transformers have a batch of one in front, of output and input.
        x_TH = x.flatten(0, -2)
        return memory_gain(x_TH, self.key, self.bias, self.row[: x_TH.shape[0]])

    def _edit(self, h_TH: Tensor, gain_T: Tensor | None) -> Tensor:
        count = h_TH.shape[0]
        row_T, strength_T = self.row[:count], self.strength[:count]
        if gain_T is not None and self.value is not None:
            return edit_memory(h_TH, gain_T, self.value, row_T, strength_T, self.offset)
        assert self.offset is not None, "armed for nothing"
        return edit_output(h_TH, self.offset, row_T, strength_T)
