"""Where learning stands, on disk: an interruption costs a few steps, not the whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@dataclass(kw_only=True, eq=False)
class State:
    """Everything learning needs to go on from a step as if it had never stopped.

    Attributes:
        step: steps done.
        seconds: spent on them.
        values: the parameters.
        best, best_step, best_loss: the parameters at the lowest held-out loss, and where.
        mask: which neurons are still learned, where neurons are.
        count: how many those were at the best step.
        curve: (step, training loss, held-out loss).
        optimizer: its state dict.
    """

    step: int
    seconds: float
    values: Sequence[Tensor]
    best: Sequence[Tensor]
    best_step: int
    best_loss: float
    mask: Tensor | None
    count: int
    curve: Sequence[tuple[int, float, float]]
    optimizer: dict[str, Any]


class Checkpoint:
    """One edit's state in one file.

    Args:
        file: where; its folder is made when needed.
        key: names what is learned and how; a file with another key is not used.
    """

    def __init__(self, file: Path, key: str) -> None:
        self._file, self._key = file, key

    def load(self) -> State | None:
        """The state in the file; None where there is none, or of another job, or damaged."""
        try:
            found = torch.load(self._file, map_location="cpu", weights_only=True)
            if found.pop("key") != self._key:
                return None
            return State(**found)
        # A file cut short makes torch raise many things; learning anew is right for all of them.
        except Exception:  # noqa: BLE001
            return None

    def save(self, state: State) -> None:
        """Replace the file, whole or not at all."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_name(f".{self._file.name}.part")
        torch.save({"key": self._key, **vars(state)}, part)
        os.replace(part, self._file)  # noqa: PTH105

    def remove(self) -> None:
        self._file.unlink(missing_ok=True)
