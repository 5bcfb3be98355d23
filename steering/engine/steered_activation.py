"""The neuron edit, in the place of an FFN's activation."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from steering.edit import edit_neurons
from steering.tables import LayerTables
from steering.tokens import Tokens


class SteeredActivation(nn.Module):
    """The FFN's activation, followed by the neuron edit.

    Being a type of its own also keeps vLLM from fusing activation and quantization
    past us (`maybe_fused_act_quant` looks the activation up by type).
    """

    columns: Tensor
    add: Tensor
    scale: Tensor
    row: Tensor
    strength: Tensor

    def __init__(self, activation: nn.Module, tables: LayerTables, tokens: Tokens) -> None:
        super().__init__()
        self.activation = activation
        self._tokens = tokens
        for name in ("columns", "add", "scale"):
            self.register_buffer(name, getattr(tables, name), persistent=False)
        self.register_buffer("row", tokens.row, persistent=False)
        self.register_buffer("strength", tokens.strength, persistent=False)

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        """For vLLM's loader, when weights are reloaded: a checkpoint's names do not know us.

        Args:
            weights: the activation's own (xIELU has some), by name.

        Returns:
            The names that were loaded.
        """
        from vllm.model_executor.models.utils import AutoWeightsLoader

        loaded: set[str] = AutoWeightsLoader(self.activation).load_weights(weights)
        return loaded

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(x)
        # A compiled or captured graph must hold the edit whatever this step's batch is.
        if not torch.compiler.is_compiling() and not self._tokens.active:
            return y
        # Models that run through transformers have a batch of one in front.
        y_TI = y.flatten(0, -2)
        count = y_TI.shape[0]
        edited = edit_neurons(
            y_TI, self.columns, self.add, self.scale, self.row[:count], self.strength[:count]
        )
        return edited.view(y.shape)
