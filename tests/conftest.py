"""Small profiles for the engine half's unit tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from profiles.profile import Edit, MemoryEdit, ModelIdentity, NeuronEdit, OffsetEdit, Profile

MODEL = ModelIdentity(
    name="tiny",
    architecture="TinyForCausalLM",
    layers=3,
    hidden_size=4,
    intermediate_size=32,
    tokenizer="t",
    weights="w",
)

MakeEdit = Callable[..., Edit]
MakeProfile = Callable[..., Profile]


@pytest.fixture
def make_edit() -> MakeEdit:
    """make_edit({(layer, neuron): (add, scale)}, {layer: value}, {layer: (key, bias, value)})."""

    def make(
        neurons: dict[tuple[int, int], tuple[float, float]] | None = None,
        offsets: dict[int, float] | None = None,
        memories: dict[int, tuple[float, float, float]] | None = None,
    ) -> Edit:
        return Edit(
            neurons=NeuronEdit(
                layer=np.array([layer for layer, _ in neurons], dtype=np.int32),
                neuron=np.array([neuron for _, neuron in neurons], dtype=np.int32),
                add=np.array([add for add, _ in neurons.values()], dtype=np.float32),
                scale=np.array([scale for _, scale in neurons.values()], dtype=np.float32),
            )
            if neurons
            else None,
            offsets=OffsetEdit(
                layer=np.array(list(offsets), dtype=np.int32),
                value=np.array([[v] * MODEL.hidden_size for v in offsets.values()], np.float32),
            )
            if offsets
            else None,
            memories=MemoryEdit(
                layer=np.array(list(memories), dtype=np.int32),
                key=np.array(
                    [[k] * MODEL.hidden_size for k, _, _ in memories.values()], np.float32
                ),
                bias=np.array([bias for _, bias, _ in memories.values()], np.float32),
                value=np.array(
                    [[v] * MODEL.hidden_size for *_, v in memories.values()], np.float32
                ),
            )
            if memories
            else None,
        )

    return make


@pytest.fixture
def make_profile() -> MakeProfile:
    def make(language: str, target: Edit | None = None, suppress: Edit | None = None) -> Profile:
        return Profile(language=language, model=MODEL, target=target, suppress=suppress)

    return make
