"""The largest values of many streams, kept as they pass: a heap on tensors."""

from __future__ import annotations

import torch
from torch import Tensor

NOWHERE = -1
# Above this share of candidates they are thinned out first.
_DENSE = 0.05


class RunningTop:
    """The `count` highest positive values of each of `streams` streams, and where each was.

    Of equal values the earlier ones stay. Memory is [streams, count] however much passes. A stream
    that was positive less often has zeros at the end, `NOWHERE`.

    Args:
        streams: how many.
        count: values kept of each.
        device: of the values.
    """

    def __init__(self, streams: int, count: int, device: torch.device) -> None:
        self.values = torch.zeros((streams, count), device=device)
        self.at = torch.full((streams, count), NOWHERE, dtype=torch.int64, device=device)

    def update(self, values_TN: Tensor, at_T: Tensor) -> None:
        """Take in values [t, streams] that were at `at_T`, int64 [t].

        Args:
            values_TN: finite; float32, or a type whose numbers float32 has.
            at_T: any numbers but negative ones.
        """
        above_TN = values_TN > self.values[:, -1].to(values_TN.dtype)
        time_C, stream_C = above_TN.nonzero(as_tuple=True)
        if len(stream_C) > _DENSE * above_TN.numel():
            # The first batches: only those that are among this batch's best.
            count = min(self.values.shape[1], len(values_TN))
            least_N = values_TN.T.float().topk(count, dim=1).values[:, -1].to(values_TN.dtype)
            above_TN &= values_TN >= least_N
            time_C, stream_C = above_TN.nonzero(as_tuple=True)
        if not len(stream_C):
            return
        # After some batches hardly a value is still among the best: only those are touched.
        stream_C, order = stream_C.sort(stable=True)
        time_C = time_C[order]
        rows, slot, width = _table(stream_C)
        best = torch.zeros((len(rows), width), device=values_TN.device)
        at = torch.full((len(rows), width), NOWHERE, device=values_TN.device)
        best[slot] = values_TN[time_C, stream_C].float()
        at[slot] = at_T[time_C]
        # Those kept come first: a stable sort leaves the earlier of two equals ahead.
        best = torch.cat([self.values[rows], best], dim=1)
        at = torch.cat([self.at[rows], at], dim=1)
        best, order = best.sort(dim=1, descending=True, stable=True)
        count = self.values.shape[1]
        self.values[rows] = best[:, :count]
        self.at[rows] = at.gather(1, order[:, :count])


def _table(stream_C: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], int]:
    """(streams that occur, each entry's row and column in a table of theirs, its width)."""
    rows, row_C, size = torch.unique_consecutive(stream_C, return_inverse=True, return_counts=True)
    begins = size.cumsum(0) - size
    column_C = torch.arange(len(stream_C), device=stream_C.device) - begins[row_C]
    return rows, (row_C, column_C), int(size.max())
