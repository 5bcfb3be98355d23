"""Sums over one batch while its forward pass runs, on the model's device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from profiles.finding.backend import Recorded


class Tally:
    """Collects what each sentence of a batch contributes, layer by layer.

    Args:
        labels: language of each sentence.
        counts: real tokens of each sentence.
        layers, units, hidden: sizes of the model.
        device: where the sums are kept until `recorded`.
    """

    def __init__(
        self,
        labels: Sequence[int],
        counts: Sequence[int],
        *,
        layers: int,
        units: int,
        hidden: int,
        device: torch.device,
    ) -> None:
        self.rows = len(labels)
        self._counts = torch.tensor(counts, dtype=torch.float32, device=device)
        present, at = np.unique(np.asarray(labels, np.int64), return_inverse=True)
        self._labels = present
        # A product with this, not index_add_, whose order of additions CUDA leaves open.
        member = torch.nn.functional.one_hot(torch.from_numpy(at), len(present))
        self._member = member.T.double().to(device)  # [labels, sentences]
        self._member_single = self._member.float()  # enough for counts
        self._sentences = torch.zeros(self.rows, layers, units, device=device)
        by_label = (len(present), layers, units)
        self._sums = torch.zeros(by_label, dtype=torch.float64, device=device)
        self._squares = torch.zeros_like(self._sums)
        self._active = torch.zeros(by_label, device=device)
        self._outputs = torch.zeros(
            len(present), layers, hidden, dtype=torch.float64, device=device
        )

    def units(self, layer: int, start: int, sums: Tensor, squares: Tensor) -> None:
        """Add sums over each sentence's tokens, float32 [sentences, units of one part]."""
        at = slice(start, start + sums.shape[1])
        self._sentences[:, layer, at] += sums
        self._sums[:, layer, at] += self._member @ sums.double()
        self._squares[:, layer, at] += self._member @ squares.double()

    def active(self, layer: int, start: int, counts: Tensor) -> None:
        """Add the number of tokens at which units were active, as `units`."""
        at = slice(start, start + counts.shape[1])
        self._active[:, layer, at] += self._member_single @ counts

    def output(self, layer: int, sums: Tensor) -> None:
        """Add sums of the FFN's output, float32 [sentences, hidden_size]."""
        self._outputs[:, layer] += self._member @ sums.double()

    def recorded(self, parts: tuple[tuple[str, int], ...]) -> Recorded:
        """What was collected."""
        return Recorded(
            parts=parts,
            means=_numpy(self._sentences / self._counts[:, None, None]),
            labels=self._labels,
            sums=_numpy(self._sums),
            squares=_numpy(self._squares),
            active=_numpy(self._active.long()),
            outputs=_numpy(self._outputs),
        )


def _numpy(x: Tensor) -> Any:
    return x.cpu().numpy()
