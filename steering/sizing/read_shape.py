"""A model's shape from its name, its folder, or its config.json alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from profiles.errors import ModelError
from profiles.models.demo_model import NAME as DEMO
from profiles.models.resolve import resolve_model
from steering.sizing.model_shape import ModelShape

# What these models' config.json say, for tables without their files.
KNOWN: dict[str, dict[str, Any]] = {
    "gemma-3-270m": {
        "model_type": "gemma3_text",
        "num_hidden_layers": 18,
        "hidden_size": 640,
        "intermediate_size": 2048,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 256,
        "vocab_size": 262144,
        "tie_word_embeddings": True,
        "sliding_window": 512,
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 3,
    },
    "llama-3-8b": {
        "model_type": "llama",
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    },
    "llama-3-70b": {
        "model_type": "llama",
        "num_hidden_layers": 80,
        "hidden_size": 8192,
        "intermediate_size": 28672,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    },
}
_CONFIG = "config.json"
# What `ModelShape` looks at. Classes of configurations know what their files leave out.
_NAMES = (
    *("model_type", "num_hidden_layers", "hidden_size", "intermediate_size_mlp"),
    *("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "moe_intermediate_size"),
    *("expert_intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim"),
    *("vocab_size", "tie_word_embeddings", "num_local_experts", "num_experts"),
    *("n_routed_experts", "num_experts_per_tok", "n_shared_experts"),
    *("shared_expert_intermediate_size", "first_k_dense_replace", "mlp_only_layers"),
    *("kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"),
    *("sliding_window", "use_sliding_window", "layer_types"),
)


def read_shape(model: str) -> ModelShape:
    """The shape of MODEL; no weights are read, and none fetched.

    Args:
        model: one of `KNOWN`, `demo`, a config.json, a folder with one, or a hub id, of which
            config.json is fetched.

    Raises:
        ModelError: there is no such thing, or it cannot be understood.
    """
    known = KNOWN.get("gemma-3-270m" if model == DEMO else model.lower())
    if known is not None:
        return ModelShape.of(known, model)
    from transformers import AutoConfig

    file = _file(model)
    try:
        config = AutoConfig.from_pretrained(file)
    # What it raises differs by what is wrong and by version.
    except Exception as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(f"cannot read {file}: {line}") from error
    text = config.get_text_config()
    return ModelShape.of({name: getattr(text, name, None) for name in _NAMES}, model)


def _file(model: str) -> Path:
    path = Path(model).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        return resolve_model(model) / _CONFIG
    name, _, revision = model.partition("@")
    if path.suffix == ".json" or model.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError(
            f"there is no {model}; MODEL is a config.json, a folder with one, a hub id, demo, or "
            f"one of {', '.join(KNOWN)}"
        )
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, _CONFIG, revision=revision or None))
    # The hub client raises its own, requests', and OS errors, by version.
    except Exception as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(
            f"{model!r} is none of {', '.join(KNOWN)}, no file or folder here, and its config.json "
            f"could not be fetched from the hub: {line}"
        ) from error
