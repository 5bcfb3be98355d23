"""A tiny random model and a tokenizer of single characters to learn with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

LAYERS, HIDDEN, NEURONS, VOCABULARY = 2, 16, 32, 100


class Characters:
    """A tokenizer of single characters that adds BOS where special tokens are asked for."""

    bos_token_id, eos_token_id, pad_token_id = 1, 2, 0
    all_special_ids = (0, 1, 2)

    def __call__(self, text: Any, add_special_tokens: bool = True) -> SimpleNamespace:
        start = [self.bos_token_id] if add_special_tokens else []
        if isinstance(text, str):
            return SimpleNamespace(input_ids=start + [3 + ord(c) % 97 for c in text])
        return SimpleNamespace(input_ids=[self(t, add_special_tokens).input_ids for t in text])


@pytest.fixture
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=HIDDEN,
        intermediate_size=NEURONS,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=VOCABULARY,
        max_position_embeddings=128,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).to(torch.bfloat16)


@pytest.fixture
def tokenizer() -> Characters:
    return Characters()
