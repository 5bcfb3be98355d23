"""Gemma-3-270M from GGUF to a Hugging Face folder: weights, config, tokenizer, chat template.

transformers can do this too; it parses the file three times and takes 45 s where this takes
about 10, with equal weights, vocabulary and merges.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from profiles.models.gguf_file import GGUFFile

_RENAMED = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
# A base model has no chat format of its own: a plain transcript it can continue. It emits BOS
# itself because chat endpoints tokenize the rendered text without special tokens.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'system' -%}{{ message['content'] | trim + '\n\n' }}"
    "{%- elif message['role'] == 'user' -%}{{ 'Q: ' + message['content'] | trim + '\n' }}"
    "{%- elif message['role'] == 'assistant' -%}{{ 'A: ' + message['content'] | trim + '\n\n' }}"
    "{%- else -%}{{ message['content'] | trim + '\n' }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'A:' }}{%- endif -%}"
)


def convert(gguf: Path, folder: Path) -> None:
    """Write `gguf` into `folder` as a Hugging Face model with bfloat16 weights."""
    source = GGUFFile(gguf)
    meta = source.metadata
    tensors: dict[str, torch.Tensor] = {}
    for name, value in source.tensors():
        values = torch.tensor(value)
        if name.endswith("norm.weight"):
            values = values - 1  # llama.cpp stores 1 + weight, transformers adds the 1 itself
        tensors[_rename(name)] = values.to(torch.bfloat16)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _write(folder / "config.json", _config(meta, len(meta["tokenizer.ggml.tokens"])))
    _write(
        folder / "generation_config.json", {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
    )
    _write(folder / "tokenizer.json", _tokenizer(meta), indent=None)
    _write(folder / "tokenizer_config.json", _tokenizer_config())


def _write(path: Path, value: Any, indent: int | None = 2) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent), encoding="utf-8")


def _rename(name: str) -> str:
    parts = name.removesuffix(".weight").split(".")
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{_RENAMED[parts[2]]}.weight"
    return f"model.{_RENAMED[parts[0]]}.weight"


def _config(meta: dict[str, Any], vocabulary: int) -> dict[str, Any]:
    layers = meta["gemma3.block_count"]
    head = meta["gemma3.attention.key_length"]
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        # Without it transformers suspects a mistral tokenizer and warns at every load.
        "transformers_version": "4.57.0",
        "dtype": "bfloat16",
        "vocab_size": vocabulary,
        "hidden_size": meta["gemma3.embedding_length"],
        "intermediate_size": meta["gemma3.feed_forward_length"],
        "num_hidden_layers": layers,
        "num_attention_heads": meta["gemma3.attention.head_count"],
        "num_key_value_heads": meta["gemma3.attention.head_count_kv"],
        "head_dim": head,
        "query_pre_attn_scalar": head,
        "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": meta["gemma3.context_length"],
        "rms_norm_eps": meta["gemma3.attention.layer_norm_rms_epsilon"],
        "layer_types": [
            "full_attention" if i % 6 == 5 else "sliding_attention" for i in range(layers)
        ],
        "sliding_window": meta["gemma3.attention.sliding_window"],
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": meta["gemma3.rope.freq_base"]},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        },
        "attention_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
        "use_cache": True,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }


def _tokenizer(meta: dict[str, Any]) -> dict[str, Any]:
    # llama.cpp keeps runs of spaces as they are; the vocabulary spells a space "▁".
    tokens = [_spaces(token) for token in meta["tokenizer.ggml.tokens"]]
    bos = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
    pair = [bos, _sequence("A", 0), bos, _sequence("B", 1)]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_special(i, token) for i, token in enumerate(tokens[:5])],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"String": " "},
            "behavior": "MergedWithPrevious",
            "invert": False,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, _sequence("A", 0)],
            "pair": pair,
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": _merges(tokens),
        },
    }


def _spaces(token: str) -> str:
    return token.replace(" ", "▁") if token.isspace() else token


def _sequence(name: str, kind: int) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": kind}}


def _special(index: int, token: str) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": index, "content": token, **flags, "special": True}


def _merges(tokens: list[str]) -> list[tuple[str, str]]:
    """BPE merges of a SentencePiece vocabulary whose ids rank its tokens, best first.

    Any split of a token into two known tokens makes it; the longer left part goes first.
    """
    known = set(tokens)
    return [
        (token[:cut], token[cut:])
        for token in tokens
        for cut in range(len(token) - 1, 0, -1)
        if token[:cut] in known and token[cut:] in known
    ]


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 32768,
        "chat_template": CHAT_TEMPLATE,
    }
