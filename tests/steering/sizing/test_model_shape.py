"""Weights counted from a config, against models that transformers builds from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from profiles.errors import ModelError
from steering.sizing.model_shape import ModelShape
from steering.sizing.read_shape import KNOWN, read_shape

SMALL: dict[str, Any] = {
    "num_hidden_layers": 3,
    "hidden_size": 48,
    "intermediate_size": 112,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "vocab_size": 320,
}
MIXED = SMALL | {"num_experts_per_tok": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": SMALL,
    "qwen2": SMALL | {"tie_word_embeddings": True},
    "qwen3": SMALL | {"head_dim": 16},
    "gemma3_text": SMALL | {"head_dim": 16},
    "phi": SMALL | {"num_key_value_heads": 6},
    "gpt2": {"n_layer": 3, "n_embd": 48, "n_head": 6, "vocab_size": 320},
    "opt": {
        "num_hidden_layers": 3,
        "hidden_size": 48,
        "ffn_dim": 112,
        "num_attention_heads": 6,
        "vocab_size": 320,
        "word_embed_proj_dim": 48,
    },
    "mixtral": MIXED | {"num_local_experts": 5},
    "qwen2_moe": MIXED
    | {
        "num_experts": 5,
        "moe_intermediate_size": 32,
        "shared_expert_intermediate_size": 40,
        "mlp_only_layers": [1],
    },
    "olmoe": MIXED | {"num_experts": 5},
    "deepseek_v3": MIXED
    | {
        "n_routed_experts": 8,
        "n_group": 2,
        "topk_group": 1,
        "n_shared_experts": 2,
        "moe_intermediate_size": 32,
        "first_k_dense_replace": 1,
        "q_lora_rank": 20,
        "kv_lora_rank": 16,
        "qk_nope_head_dim": 8,
        "qk_rope_head_dim": 4,
        "v_head_dim": 8,
        "num_key_value_heads": 6,
    },
}
_LEFT_OUT = ("norm", "ln_", "bias", "wpe", "embed_positions", "shared_expert_gate")


def write(folder: Path, family: str, values: dict[str, Any]) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps({"model_type": family, **values}))
    return file


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_are_those_that_transformers_builds(family: str, tmp_path: Path) -> None:
    file = write(tmp_path, family, FAMILIES[family])
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(file))
    # A tied head is one parameter with two names, and listed once.
    expected = sum(
        weight.numel()
        for name, weight in model.named_parameters()
        if not any(part in name for part in _LEFT_OUT)
    )
    assert read_shape(str(file)).weights == expected
    assert read_shape(str(tmp_path)).weights == expected


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        # Of 18 layers 1,638,400 + 3,932,160 each; the vocabulary is 262,144 by 640, once.
        ("gemma-3-270m", 268_042_240),
        # Of 32 layers 41,943,040 + 176,160,768 each; the vocabulary twice.
        ("llama-3-8b", 8_029_995_008),
        # Of 80 layers 150,994,944 + 704,643,072 each; likewise.
        ("llama-3-70b", 70_552_387_584),
    ],
)
def test_known_models_by_hand(name: str, weights: int) -> None:
    assert read_shape(name).weights == weights


def test_a_step_reads_the_experts_that_its_tokens_choose(tmp_path: Path) -> None:
    shape = read_shape(str(write(tmp_path, "mixtral", FAMILIES["mixtral"])))
    # Two of five for one token; of two tokens, each expert is left by both with (3/5)^2.
    expert, rest = 3 * 48 * 112, shape.weights_read(0)
    assert shape.weights_read(1) == pytest.approx(rest + 3 * 2 * expert)
    assert shape.weights_read(2) == pytest.approx(rest + 3 * 5 * (1 - 0.36) * expert)
    assert shape.weights_read(10_000) == pytest.approx(shape.weights - 48 * 320)
    assert shape.active_weights == rest - 48 * 320 + 3 * 2 * expert


def test_a_window_bounds_what_is_kept_and_looked_at() -> None:
    gemma = ModelShape.of(KNOWN["gemma-3-270m"], "test")
    assert (gemma.sliding_layers, gemma.window) == (15, 512)
    assert gemma.positions(100) == 18 * 100
    assert gemma.positions(2048) == 3 * 2048 + 15 * 512
    off = SMALL | {"model_type": "qwen2", "sliding_window": 64, "use_sliding_window": False}
    assert ModelShape.of(off, "test").positions(100) == 300
    assert ModelShape.of(off | {"use_sliding_window": True}, "test").positions(100) == 192


def test_what_cannot_be_counted_is_an_error(tmp_path: Path) -> None:
    kinds = SMALL | {"layer_types": ["linear_attention", "full_attention", "full_attention"]}
    with pytest.raises(ModelError, match="linear_attention"):
        ModelShape.of(kinds, "test")
    for lacking in ("num_attention_heads", "vocab_size", "hidden_size"):
        with pytest.raises(ModelError, match=f"test has .*{lacking}"):
            ModelShape.of({k: v for k, v in SMALL.items() if k != lacking}, "test")
    with pytest.raises(ModelError, match=r"there is no \./nowhere"):
        read_shape("./nowhere")
    bad = tmp_path / "config.json"
    bad.write_text("{")
    with pytest.raises(ModelError, match=r"cannot read .*config\.json"):
        read_shape(str(bad))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match=r"no config\.json"):
        read_shape(str(empty))
