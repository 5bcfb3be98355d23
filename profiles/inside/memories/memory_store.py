"""A model's memories, as one run found them; plain arrays, which queries read. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from profiles.errors import LangsteerError
from profiles.inside.memories.groups import Groups
from profiles.inside.memories.pieces import Pieces
from profiles.inside.memories.said import Said
from profiles.inside.memories.sampled import Sampled
from profiles.inside.memories.scores import LanguageScores
from profiles.inside.memories.text import Text
from profiles.inside.memories.triggers import Triggers
from profiles.profile import ModelIdentity


class MemoryStoreError(LangsteerError):
    """A store of memories is missing, damaged, or not of this model; or lacks what is asked."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MemoryStore:
    """What is known of a model's memories.

    Attributes:
        model: which model.
        languages: BCP 47 tags of the corpus.
        about: corpus, parameters, seconds by stage, versions; JSON-serialisable.
        pieces: the vocabulary.
        text: the sentences that hold a trigger.
        triggers: of every neuron.
        scores: of every neuron.
        said: what every neuron's value says; None where values were not read.
        groups: of tokens, that masses are counted by.
        sampled: the readings of a sample of positions.
    """

    model: ModelIdentity
    languages: tuple[str, ...]
    about: Mapping[str, Any]
    pieces: Pieces
    text: Text
    triggers: Triggers
    scores: LanguageScores
    said: Said | None
    groups: Groups
    sampled: Sampled

    @property
    def shape(self) -> tuple[int, int]:
        """(layers, neurons a layer)."""
        layers, neurons = self.triggers.high.shape[:2]
        return int(layers), int(neurons)

    def values(self) -> Said:
        """What the values say.

        Raises:
            MemoryStoreError: they were not read.
        """
        if self.said is None:
            raise MemoryStoreError(
                "this store was made with --no-values: it knows triggers, not what values say; "
                f"run `langsteer inspect collect {self.model.name}`"
            )
        return self.said

    def check(self, layer: int, neuron: int | None = None) -> None:
        """Whether the model has the layer, and the neuron in it.

        Raises:
            MemoryStoreError: it does not.
        """
        layers, neurons = self.shape
        if not (0 <= layer < layers and 0 <= (neuron or 0) < neurons):
            asked = f"layer {layer}" + ("" if neuron is None else f", neuron {neuron}")
            raise MemoryStoreError(
                f"{self.model.name} has layers 0 to {layers - 1} of neurons 0 to {neurons - 1}, "
                f"not {asked}"
            )
