"""Tiny models of several families with a store each, made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from profiles.corpora.corpus import Corpus, read_corpus
from profiles.inside.memories.collect import Amount, collect_memories
from profiles.inside.memories.memory_store import MemoryStore
from profiles.models.model import LoadedModel, load_model
from tests.tiny_model import save_model

SIZE: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "initializer_range": 0.3,
}
# Gated and not, norms of both kinds, before and after the FFN, heads tied, capped and scaled.
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {**SIZE, "tie_word_embeddings": False}),
    "gemma2": ("Gemma2", {**SIZE, "head_dim": 8, "final_logit_softcapping": 2.0}),
    "gpt2": ("GPT2", {"n_embd": 16, "n_layer": 2, "n_head": 2, "initializer_range": 0.3}),
    "granite": ("Granite", {**SIZE, "logits_scaling": 4.0, "residual_multiplier": 0.3}),
    "opt": (
        "OPT",
        {
            "hidden_size": 16,
            "ffn_dim": 32,
            "word_embed_proj_dim": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "init_std": 0.3,
        },
    ),
}
AMOUNT = Amount(triggers=4, tokens=5, positions=30)

Made = tuple[LoadedModel, MemoryStore]


@contextmanager
def silent(_title: str) -> Iterator[Callable[[int, int], None]]:
    yield lambda _done, _total: None


@pytest.fixture(scope="session")
def corpus(corpus_folder: Path) -> Corpus:
    return read_corpus(str(corpus_folder))


@pytest.fixture(scope="session", params=[*FAMILIES])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, corpus: Corpus
) -> Made:
    """A model of each family in float32, and its store."""
    family, config = FAMILIES[request.param]
    folder = save_model(tmp_path_factory.mktemp(request.param), family, **config)
    loaded = load_model(folder, request.param, "fp32")
    return loaded, collect_memories(loaded, corpus, silent, AMOUNT)


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory, corpus: Corpus) -> Made:
    family, config = FAMILIES["llama"]
    folder = save_model(tmp_path_factory.mktemp("one"), family, **config)
    loaded = load_model(folder, str(folder), "fp32")
    return loaded, collect_memories(loaded, corpus, silent, AMOUNT)
