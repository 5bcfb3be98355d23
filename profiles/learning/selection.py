"""How the few neurons of a sparse edit are found, by name."""

from __future__ import annotations

from typing import Literal, get_args

Pruning = Literal["magnitude", "l1", "hard-concrete"]
Selection = Literal["pursuit", "magnitude", "l1", "hard-concrete"]
PRUNINGS: tuple[str, ...] = get_args(Pruning)
SELECTIONS: tuple[str, ...] = get_args(Selection)
