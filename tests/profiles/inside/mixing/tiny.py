"""Tiny random models in float64, one a way in which a decoder layer is put together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import transformers

from profiles.profile import Edit, MemoryEdit, NeuronEdit, OffsetEdit

HIDDEN, NEURONS, HEADS, GROUPS = 16, 24, 4, 2
IDS = [5, 17, 3, 40, 17, 28, 9]
_COMMON = {
    "vocab_size": 64,
    "hidden_size": HIDDEN,
    "num_attention_heads": HEADS,
    "num_hidden_layers": 2,
    "max_position_embeddings": 32,
    "bos_token_id": 2,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
_GROUPED = {**_COMMON, "intermediate_size": NEURONS, "num_key_value_heads": GROUPS}
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", _GROUPED),
    "llama-biased": ("Llama", {**_GROUPED, "attention_bias": True, "mlp_bias": True}),
    "qwen3": ("Qwen3", {**_GROUPED, "head_dim": 8}),
    "gemma3": (
        "Gemma3Text",
        {
            **_GROUPED,
            "head_dim": 8,
            "sliding_window": 3,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "phi3": ("Phi3", _GROUPED),
    "olmo2": ("Olmo2", _GROUPED),
    "gpt2": ("GPT2", {**_COMMON, "n_inner": NEURONS, "n_positions": 32}),
    "opt-post-norm": (
        "OPT",
        {
            **_COMMON,
            "ffn_dim": NEURONS,
            "word_embed_proj_dim": HIDDEN,
            "do_layer_norm_before": False,
        },
    ),
    "neox": ("GPTNeoX", {**_COMMON, "intermediate_size": NEURONS}),
}


def tiny(name: str) -> Any:
    """As `LoadedModel`, as far as `contextualize` looks; every weight and bias is random."""
    family, config = CONFIGS[name]
    torch.manual_seed(0)
    made = getattr(transformers, f"{family}Config")(**config)
    model = transformers.AutoModelForCausalLM.from_config(made).double().eval()
    for path, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
        if path.endswith("weight") and ("norm" in path or "ln_" in path):
            parameter.data += 1
    return SimpleNamespace(model=model, device=torch.device("cpu"))


def some_edit(kinds: str = "neurons offsets memories") -> Edit:
    """In both layers, of the given kinds."""
    rng = np.random.default_rng(3)

    def floats(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    both = np.array([0, 1], np.int32)
    return Edit(
        neurons=NeuronEdit(
            layer=np.array([0, 0, 1], np.int32),
            neuron=np.array([2, 7, 11], np.int32),
            add=floats(3),
            scale=np.array([-1, 0.5, 0], np.float32),
        )
        if "neurons" in kinds
        else None,
        offsets=OffsetEdit(layer=both, value=floats(2, HIDDEN)) if "offsets" in kinds else None,
        memories=MemoryEdit(
            layer=both, key=floats(2, HIDDEN), bias=floats(2), value=floats(2, HIDDEN)
        )
        if "memories" in kinds
        else None,
    )
