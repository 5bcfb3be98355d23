"""What runs the model while a corpus is read: the protocol, and how one is found by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from profiles.errors import LangsteerError
from profiles.finding.batches import Batch
from profiles.profile import Floats

GROUP = "langsteer.backends"


class BackendError(LangsteerError):
    """What was to run the model is not installed, did not start, or failed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """What one batch did to every unit. Special tokens and padding are excluded throughout.

    Sums are over tokens and by language; float64, or small variances would drown in rounding.

    Attributes:
        parts: (path below the decoder layer, width) of what a layer's units are made of.
        means: float32 [sentences, layers, units], over a sentence's tokens; in batch order.
        labels: int64 [labels], the languages in the batch, ascending.
        sums, squares: float64 [labels, layers, units], of the units and their squares.
        active: int64 [labels, layers, units], tokens at which the unit was active.
        outputs: float64 [labels, layers, hidden_size], sums of the FFN outputs.
    """

    parts: tuple[tuple[str, int], ...]
    means: Floats
    labels: NDArray[np.int64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    active: NDArray[np.int64]
    outputs: NDArray[np.float64]


class Backend(Protocol):
    """Runs batches through a model."""

    def run(self, batches: Sequence[Batch]) -> Iterator[Recorded]:
        """What each batch did, in the order of `batches`.

        Raises:
            BackendError: it could not be run; the text says why.
        """
        ...


class BackendFactory(Protocol):
    """What an entry point of the group "langsteer.backends" names."""

    def __call__(
        self, folder: Path, *, precision: str, workers: int, options: dict[str, Any]
    ) -> Backend:
        """Load the model in `folder`.

        Args:
            folder: a Hugging Face model folder.
            precision: "auto", "bf16" or "fp32".
            workers: devices the model is spread over.
            options: the backend's own.
        """
        ...


def find_backend(name: str) -> BackendFactory:
    """The backend installed under `name`; loading a model is up to the caller.

    Raises:
        BackendError: there is none, or it cannot be imported.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise BackendError(f"no backend {name!r} is installed; there is: {known}")
    try:
        factory: BackendFactory = found[name].load()
    except ImportError as error:
        raise BackendError(f"the backend {name!r} cannot be imported: {error}") from error
    return factory
