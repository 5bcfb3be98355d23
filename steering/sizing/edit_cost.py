"""What the edit moves and computes in one step, from the sizes of its tables."""

from __future__ import annotations

from dataclasses import dataclass

from steering.capacity import Capacity

# Kernels that a layer has more of: docs/cost.md, "What the compiler makes of it".
_NEURON_KERNELS, _OFFSET_KERNELS, _MEMORY_KERNELS = 2, 2, 3


@dataclass(frozen=True, kw_only=True)
class EditCost:
    """Of one step, all layers, on one device.

    It is the same whether any request of the step is steered: compiled graphs hold the edit.

    Attributes:
        bytes: read and written in the device's memory, as if no cache held any of it.
        flops: in float32.
        kernels: that a step launches more.
    """

    bytes: int
    flops: int
    kernels: int

    @classmethod
    def of(
        cls, capacity: Capacity, tokens: int, *, tensor_ranks: int = 1, number_bytes: int = 2
    ) -> EditCost:
        """The cost for `tokens` tokens.

        Args:
            capacity: sizes of the tables.
            tokens: of the step, prompts and answers together.
            tensor_ranks: over which the model is spread. Each of them adds the memories to all
                of the hidden state.
            number_bytes: of a number of the hidden state.
        """
        layers, hidden, memories = len(capacity.columns), capacity.hidden_size, capacity.memories
        widths = [min(n, capacity.intermediate_size // tensor_ranks) for n in capacity.columns]
        columns, edited = sum(widths), sum(width > 0 for width in widths)
        # Column numbers once; a token's columns read and written, its row's add and scale read.
        moved = columns * (8 + tokens * (2 * number_bytes + 8))
        flops = 4 * tokens * columns
        kernels = _NEURON_KERNELS * edited
        if memories:
            # Values once, and the product of all tokens, which is written, read, and added.
            a_layer = memories * hidden * 4 + tokens * hidden * (8 + 2 * number_bytes)
            # The row's factors, gathered and read again.
            a_layer += tokens * memories * 12
            a_layer_flops = 2 * tokens * memories * hidden
            if capacity.keys:
                # Keys once; the input, which becomes float32 for the product.
                a_layer += memories * (hidden + 1) * 4 + tokens * hidden * (8 + number_bytes)
                # The gains, written and read.
                a_layer += tokens * memories * 8
                a_layer_flops *= 2
            moved += layers * a_layer
            flops += layers * a_layer_flops
            kernels += layers * (_MEMORY_KERNELS if capacity.keys else _OFFSET_KERNELS)
        return cls(bytes=moved, flops=flops, kernels=kernels)
