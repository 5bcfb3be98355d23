"""Where a transformers decoder keeps its feed-forward layers, and what reads their neurons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from profiles.errors import ModelError

# Path of the down projection below one decoder layer, by family. Its input is the neuron
# vector; its output, bias included, is the FFN's output before any post-FFN norm. (BLOOM's and
# GPT-2's MLP modules add dropout or the residual after it, OPT and XGLM have no MLP module: so
# the down projection, not the MLP, is the one place that means the same in every family.)
DOWN_PROJECTIONS: dict[str, str] = {
    "mlp.down_proj": "Gemma, Llama, Qwen2, Qwen3, Mistral, Phi-3, OLMo, SmolLM",
    "mlp.c_proj": "GPT-2",
    "mlp.dense_4h_to_h": "BLOOM, GPT-NeoX",
    "mlp.fc2": "Phi",
    "fc2": "OPT, XGLM",
}
_EXPERTS = ("experts", "block_sparse_moe", "shared_expert", "router")
_NOT_TEXT = ("vision", "visual", "audio", "encoder")


@dataclass(frozen=True, kw_only=True, eq=False)
class FFN:
    """One decoder layer's feed-forward network.

    Attributes:
        layer: index of the decoder layer, from 0.
        down: the down projection; its input [..., intermediate_size] is the neuron vector.
        output: the module whose output [..., hidden_size] is the FFN's output, bias included,
            before any post-FFN norm.
        intermediate_size, hidden_size: neurons of the layer, width of its output.
        path: name of the down projection below its decoder layer, e.g. "mlp.down_proj".
    """

    layer: int
    down: nn.Module
    output: nn.Module
    intermediate_size: int
    hidden_size: int
    path: str


def find_ffns(model: nn.Module, down_projection: str | None = None) -> list[FFN]:
    """The FFN of every decoder layer of `model`, in layer order.

    Args:
        model: a transformers decoder model, with or without its LM head.
        down_projection: path of the down projection below a decoder layer, for
            architectures that `DOWN_PROJECTIONS` does not name.

    Raises:
        ModelError: mixture of experts, encoder-decoder, or no down projection found.
    """
    name = type(model).__name__
    config: Any = getattr(model, "config", None)
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(f"{name} is an encoder-decoder; langsteer edits decoder-only models")
    layers = _decoder_layers(model, config)
    ffns = [_ffn(layer, i, name, down_projection) for i, layer in enumerate(layers)]
    widths = sorted({ffn.intermediate_size for ffn in ffns})
    if len(widths) > 1:
        raise ModelError(f"{name}: layers have FFNs of different widths {widths}; not supported")
    # Set where tensor-parallel slices of a BLOOM checkpoint are multiplied one by one: the down
    # projection is then read but never called, and an edit on it would silently do nothing.
    if getattr(config, "slow_but_exact", False) and getattr(config, "pretraining_tp", 1) > 1:
        raise ModelError(f"{name}: load it with slow_but_exact=False to make its FFNs editable")
    return ffns


def _decoder_layers(model: nn.Module, config: Any) -> nn.ModuleList:
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    count = getattr(text, "num_hidden_layers", None)
    lists = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module)
    ]
    for name, module in lists:
        if len(module) == count and not any(word in name for word in _NOT_TEXT):
            return module
    seen = ", ".join(f"{name} ({len(module)})" for name, module in lists) or "none"
    raise ModelError(
        f"{type(model).__name__}: found no list of {count} decoder layers; module lists: {seen}"
    )


def _ffn(layer: nn.Module, index: int, name: str, path: str | None) -> FFN:
    modules = dict(layer.named_modules())
    experts = next((m for m in modules if m.rpartition(".")[2] in _EXPERTS), None)
    if experts:
        raise ModelError(
            f"{name} is a mixture of experts (layer {index} has {experts!r}); "
            "langsteer edits dense models only"
        )
    found = next((p for p in ([path] if path else DOWN_PROJECTIONS) if p in modules), None)
    size = _linear_size(modules[found]) if found else None
    if found is None or size is None:
        seen = ", ".join(_linears(layer)) or "none"
        asked = f"{path!r} is not one" if path else "none is a known down projection"
        raise ModelError(
            f"{name}: layer {index} has the linear modules {seen}; {asked}. Name the one that "
            "reads the FFN's neurons with --down-projection"
        )
    down = modules[found]
    return FFN(
        layer=index,
        down=down,
        output=down,
        intermediate_size=size[0],
        hidden_size=size[1],
        path=found,
    )


def _linears(layer: nn.Module) -> Iterator[str]:
    return (name for name, module in layer.named_modules() if _linear_size(module))


def _linear_size(module: nn.Module) -> tuple[int, int] | None:
    """(inputs, outputs) of a linear module, quantized ones and GPT-2's Conv1D included."""
    if hasattr(module, "in_features") and hasattr(module, "out_features"):
        sizes: Any = module
        return int(sizes.in_features), int(sizes.out_features)
    weight: Any = getattr(module, "weight", None)
    if type(module).__name__ == "Conv1D" and weight is not None:
        return int(weight.shape[0]), int(weight.shape[1])
    return None
