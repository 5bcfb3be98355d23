"""Quantized checkpoints of tiny models, written by hand, and what their weights come to.

Each of `FORMATS` is (the checkpoint's quantization_config, a function of one weight [out, in] that
gives its tensors by suffix and the weight [out, in] they stand for). The layout is the
format's own: `compressed-tensors`, AutoGPTQ, AutoAWQ. None is a format of vLLM's option
`--quantization`, which quantizes a plain checkpoint while it is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

GROUP = 32
FP8 = torch.float8_e4m3fn
FP8_MAX = 448.0
Parts = tuple[dict[str, Tensor], Tensor]


def _int8(weight: Tensor) -> Parts:
    """One scale an output channel, symmetric."""
    scale = weight.abs().amax(1, keepdim=True) / 127
    q = (weight / scale).round().clamp(-128, 127)
    return {"weight": q.to(torch.int8), "weight_scale": scale}, q * scale


def _groups(weight: Tensor, zero: int) -> tuple[Tensor, Tensor, Tensor]:
    """(q in 0..15 [in, out], scales [in / GROUP, out] in float16, the weight they stand for)."""
    wide = weight.T.reshape(-1, GROUP, weight.shape[0])
    scales = (wide.abs().amax(1) / 7).to(torch.float16)
    steps = scales.float().unsqueeze(1)
    q = (wide / steps + zero).round().clamp(0, 15)
    flat = ((q - zero) * steps).reshape(-1, weight.shape[0]).T
    return q.reshape(-1, weight.shape[0]).to(torch.int64), scales, flat.contiguous()


def _pack(q: Tensor, dim: int, order: tuple[int, ...] = tuple(range(8))) -> Tensor:
    """Eight numbers of four bits along `dim` into one int32, the first of them lowest."""
    parts = q.movedim(dim, -1).unflatten(-1, (-1, 8))[..., list(order)]
    packed = (parts << torch.arange(0, 32, 4)).sum(-1)
    signed = torch.where(packed >= 2**31, packed - 2**32, packed)
    return signed.to(torch.int32).movedim(-1, dim).contiguous()


def _gptq(weight: Tensor) -> Parts:
    q, scales, flat = _groups(weight, 8)
    zeros = torch.full_like(scales, 7).to(torch.int64)  # the format stores one less
    tensors = {"qweight": _pack(q, 0), "scales": scales, "qzeros": _pack(zeros, 1)}
    return tensors, flat


def _awq(weight: Tensor) -> Parts:
    zero, order = 6, (0, 2, 4, 6, 1, 3, 5, 7)
    q, scales, flat = _groups(weight, zero)
    zeros = torch.full_like(scales, zero).to(torch.int64)
    tensors = {
        "qweight": _pack(q, 1, order),
        "scales": scales,
        "qzeros": _pack(zeros, 1, order),
    }
    return tensors, flat


def _fp8(weight: Tensor) -> Parts:
    """One scale an output channel; vLLM makes the numbers itself, from a plain checkpoint."""
    scale = weight.abs().amax(1, keepdim=True) / FP8_MAX
    return {"weight": weight}, (weight / scale).to(FP8).float() * scale


_INT8_CONFIG = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "ignore": ["lm_head"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"},
            "input_activations": {
                "num_bits": 8,
                "type": "int",
                "symmetric": True,
                "strategy": "token",
                "dynamic": True,
            },
        }
    },
}
FORMATS: dict[str, tuple[dict[str, Any] | None, Callable[[Tensor], Parts]]] = {
    "int8": (_INT8_CONFIG, _int8),
    "gptq": (
        {
            "quant_method": "gptq",
            "bits": 4,
            "group_size": GROUP,
            "desc_act": False,
            "sym": True,
        },
        _gptq,
    ),
    "awq": (
        {
            "quant_method": "awq",
            "bits": 4,
            "group_size": GROUP,
            "zero_point": True,
            "version": "gemm",
        },
        _awq,
    ),
    "fp8_per_channel": (None, _fp8),
}


def save_quantized(folder: Path, model: Path, name: str) -> tuple[Path, Path]:
    """`model` in the format `name`, and once more with the weights that its numbers stand for.

    Every linear layer is quantized but the last, `lm_head`.

    Returns:
        Their folders, both below `folder`.
    """
    from safetensors.torch import load_file, save_file

    config, quantize = FORMATS[name]
    tensors = load_file(model / "model.safetensors")
    quantized, plain = {}, {}
    for key, tensor in tensors.items():
        if not key.endswith("_proj.weight"):
            quantized[key] = plain[key] = tensor
            continue
        parts, plain[key] = quantize(tensor.float())
        prefix = key.removesuffix("weight")
        quantized |= {prefix + suffix: part.contiguous() for suffix, part in parts.items()}
    out = (folder / "quantized", folder / "plain")
    settings = json.loads((model / "config.json").read_text())
    for where, saved, more in (
        (out[0], quantized, {"quantization_config": config} if config else {}),
        (out[1], plain, {}),
    ):
        where.mkdir(parents=True)
        save_file(saved, where / "model.safetensors", metadata={"format": "pt"})
        (where / "config.json").write_text(json.dumps(settings | more))
        for file in model.glob("tokenizer*"):
            (where / file.name).write_bytes(file.read_bytes())
    return out


def rounded_inputs(model: torch.nn.Module, name: str) -> None:
    """Make the linear layers of a transformers model round what they read as the format does."""
    if name not in _ROUNDED:
        return
    for key, module in model.named_modules():
        if key.endswith("_proj"):
            module.forward = _rounding(module, _ROUNDED[name])


def _rounding(module: Any, rounded: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.nn.functional.linear(rounded(x), module.weight)


def _int8_tokens(x: Tensor) -> Tensor:
    scale = x.abs().amax(-1, keepdim=True) / 127
    return (x / scale).round().clamp(-128, 127) * scale


def _fp8_tokens(x: Tensor) -> Tensor:
    scale = x.abs().amax(-1, keepdim=True) / FP8_MAX
    return (x / scale).to(FP8).float() * scale


_ROUNDED = {"int8": _int8_tokens, "fp8_per_channel": _fp8_tokens}
