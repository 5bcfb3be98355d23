"""Row and strength of every token in the step: what the edits in the graph read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from steering.slots import UNSTEERED_ROW


class Tokens:
    """Fixed device buffers [max_tokens], filled once a step through host staging pairs.

    A copy to the device may still be under way when the next step is laid out. The pairs are
    used in turn, so that none is written before the step `in_flight` fills ago has been
    waited for: what vLLM's own buffers of that depth rely on.

    Args:
        max_tokens: most tokens a step can have.
        device: where the model runs.
        in_flight: steps that may be under way at once, the one being laid out included.

    Attributes:
        row: int64, row 0 for unsteered tokens and padding.
        strength: float32, 0 for unsteered tokens and padding.
        active: whether any token of this step may be steered. Eager code skips the edit
            where it is False; compiled or captured code never looks at it.
        edited: tokens steered since start-up.
    """

    def __init__(
        self, max_tokens: int, device: torch.device | str = "cpu", *, in_flight: int = 2
    ) -> None:
        pin = torch.device(device).type == "cuda"
        self.row = torch.zeros(max_tokens, dtype=torch.int64, device=device)
        self.strength = torch.zeros(max_tokens, dtype=torch.float32, device=device)
        self._staging = [
            (
                torch.zeros(max_tokens, dtype=torch.int64, pin_memory=pin),
                torch.zeros(max_tokens, dtype=torch.float32, pin_memory=pin),
            )
            for _ in range(in_flight)
        ]
        self._filled = 0
        self.active = True
        self.edited = 0

    def clear(self) -> None:
        """Every token unsteered, the edits kept in the graph: for dummy and capture runs."""
        self.row.zero_()
        self.strength.zero_()
        self._filled = 0
        self.active = True

    def fill(
        self,
        *,
        scheduled: NDArray[np.int32],
        computed: NDArray[np.int32],
        first: Sequence[int],
        rows: Sequence[int],
        strengths: Sequence[float],
        apart: bool = False,
    ) -> int:
        """Lay out the step. All arguments but the last have one entry a request, in batch order.

        Args:
            scheduled: tokens of the request in this step.
            computed: tokens computed in earlier steps, i.e. the position of its first token.
            first: first position that is edited.
            rows, strengths: the request's table row and strength; row 0 for unsteered ones.
            apart: more tokens will be given rows, on the device (`Parts`); until then they have 0.

        Returns:
            How many tokens are steered, those not counted.
        """
        steered = [i for i, row in enumerate(rows) if row != UNSTEERED_ROW]
        self.active = bool(steered) or apart
        if not self.active and not self._filled:
            return 0
        ends = np.cumsum(scheduled)
        self._staging.append(self._staging.pop(0))
        row_staged, strength_staged = self._staging[-1]
        row, strength = row_staged.numpy(), strength_staged.numpy()
        total = int(ends[-1]) if len(ends) else 0
        # Zero as far as the last fill reached: padding beyond the step must edit nothing.
        extent = max(total, self._filled)
        row[:extent] = UNSTEERED_ROW
        strength[:extent] = 0.0
        count = 0
        for i in steered:
            end = int(ends[i])
            skip = min(max(first[i] - int(computed[i]), 0), int(scheduled[i]))
            begin = end - int(scheduled[i]) + skip
            row[begin:end] = rows[i]
            strength[begin:end] = strengths[i]
            count += end - begin
        self.row[:extent].copy_(row_staged[:extent], non_blocking=True)
        self.strength[:extent].copy_(strength_staged[:extent], non_blocking=True)
        self._filled = total if self.active else 0
        self.edited += count
        return count
