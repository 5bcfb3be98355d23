"""How long a step takes at least, without the edit and with it.

A roofline (Williams et al. 2009): a step takes as long as its bytes at the device's bandwidth, or
as its operations at the device's peak, whichever is longer. No engine reaches that, so steps are
too short here, and what the edit adds, whose kernels are counted one by one, looks larger beside
them than it will be.
"""

from __future__ import annotations

from dataclasses import dataclass

from steering.capacity import Capacity
from steering.sizing.edit_cost import EditCost
from steering.sizing.hardware import Hardware
from steering.sizing.model_shape import ModelShape

_KV_BYTES = 2  # of a cached number


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """A model on equal devices, and the tables it is steered with.

    Attributes:
        shape: the model.
        capacity: the tables.
        device: one of the devices.
        tensor_ranks: how many there are; what they tell each other is not counted.
        weight_bits: of a weight in memory.
        context: positions that a running sequence has on average.
        kernel_seconds: from one kernel of the edit to the next, at least.
    """

    shape: ModelShape
    capacity: Capacity
    device: Hardware
    tensor_ranks: int = 1
    weight_bits: float = 16
    context: int = 2048
    kernel_seconds: float = 3e-6

    @property
    def weight_bytes(self) -> float:
        """Of the whole model."""
        return self.shape.weights * self.weight_bits / 8

    def kv_bytes(self, context: int) -> float:
        """Cached for one sequence, on one device."""
        positions = self.shape.positions(context)
        shared_by = min(self.tensor_ranks, self.shape.kv_heads)
        return positions * self.shape.kv_numbers * _KV_BYTES / shared_by

    def plain_seconds(self, decoding: int, prefilled: int = 0) -> float:
        """Of a step without edits.

        Args:
            decoding: sequences that get one token each.
            prefilled: tokens of prompts.
        """
        tokens = decoding + prefilled
        weights = self.shape.weights_read(tokens) * self.weight_bits / 8 / self.tensor_ranks
        moved = weights + decoding * self.kv_bytes(self.context)
        looked_at = tokens * self.shape.positions(self.context) * self.shape.position_flops
        products = tokens * self.shape.active_weights + decoding * self.shape.vocabulary_weights
        flops = (2 * products + looked_at) / self.tensor_ranks
        return max(moved / self.device.bytes_per_second, flops / self.device.matrix_flops)

    def edit_seconds(self, tokens: int) -> float:
        """What the edit adds to a step of so many tokens."""
        cost = EditCost.of(self.capacity, tokens, tensor_ranks=self.tensor_ranks)
        return self.cost_seconds(cost)

    def cost_seconds(self, cost: EditCost) -> float:
        """What such an edit takes on the device."""
        moving = cost.bytes / self.device.bytes_per_second
        return max(moving, cost.flops / self.device.float32_flops) + (
            cost.kernels * self.kernel_seconds
        )

    def seconds(self, decoding: int, prefilled: int = 0) -> float:
        """Of a step with the edit."""
        return self.plain_seconds(decoding, prefilled) + self.edit_seconds(decoding + prefilled)

    def ratio(self, decoding: int, prefilled: int = 0) -> float:
        """Throughput with the edit over that without it, at most 1."""
        return self.plain_seconds(decoding, prefilled) / self.seconds(decoding, prefilled)
