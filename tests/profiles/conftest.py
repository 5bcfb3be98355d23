"""A tiny random model folder, and a corpus it can read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from profiles.profile import Edit, MemoryEdit, ModelIdentity, NeuronEdit, OffsetEdit, Profile
from tests.tiny_model import save_model


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 lines each of three made-up languages, told apart by their letters."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    for language, letters in {"en": "abcdefg", "de": "hijklmn", "ja": "opqrstu"}.items():
        lines = [
            " ".join("".join(rng.choice([*letters], 4)) for _ in range(rng.integers(2, 12)))
            for _ in range(24)
        ]
        (folder / f"{language}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer Llama with a byte-level tokenizer that adds BOS."""
    return save_model(
        tmp_path_factory.mktemp("tiny"),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
    )


@pytest.fixture
def identity() -> ModelIdentity:
    return ModelIdentity(
        name="tiny",
        architecture="LlamaForCausalLM",
        layers=2,
        hidden_size=4,
        intermediate_size=8,
        tokenizer="a" * 64,
        weights="b" * 64,
    )


@pytest.fixture
def german(identity: ModelIdentity) -> Profile:
    """A profile with neurons, offsets and memories, target and suppress."""
    neurons = NeuronEdit(
        layer=np.array([0, 1], np.int32),
        neuron=np.array([3, 7], np.int32),
        add=np.array([0.5, -1.5], np.float32),
        scale=np.array([-1, 0], np.float32),
    )
    offsets = OffsetEdit(
        layer=np.array([1], np.int32), value=np.arange(4, dtype=np.float32).reshape(1, 4)
    )
    memories = MemoryEdit(
        layer=np.array([1, 0], np.int32),
        key=np.array([[3, 0, 4, 0], [0, 0, 0, 0]], np.float32),
        bias=np.array([0.25, -2], np.float32),
        value=np.array([[0, 5, 0, 12], [1, 0, 0, 0]], np.float32),
    )
    return Profile(
        language="de",
        model=identity,
        target=Edit(neurons=neurons, offsets=offsets, memories=memories),
        suppress=Edit(offsets=offsets, memories=replace(memories, value=-memories.value)),
        provenance={"method": "both", "parameters": {"gain": 1.5}},
    )
