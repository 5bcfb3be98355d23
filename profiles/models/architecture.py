"""Where a transformers decoder keeps its feed-forward layers, and what reads their neurons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from profiles.errors import ModelError
from profiles.models.ffn import FFN, DenseFFN

# Path of the down projection below one decoder layer, by family. Its input is the neuron
# vector; its output, bias included, is the FFN's output before any post-FFN norm. (BLOOM's and
# GPT-2's MLP modules add dropout or the residual after it, OPT and XGLM have no MLP module: so
# the down projection, not the MLP, is the one place that means the same in every family.)
DOWN_PROJECTIONS: dict[str, str] = {
    "mlp.down_proj": "Gemma, Llama, Qwen2, Qwen3, Mistral, Phi-3, OLMo, SmolLM",
    "mlp.c_proj": "GPT-2",
    "mlp.dense_4h_to_h": "BLOOM, GPT-NeoX",
    "mlp.fc2": "Phi",
    "feed_forward.down_proj": "Llama 4, Jamba",
    "fc2": "OPT, XGLM",
}
_NOT_TEXT = ("vision", "visual", "audio", "encoder")
# What a feed-forward network beside a mixture of experts is called, in a part of its name.
_FEED_FORWARD = ("mlp", "ffn", "feed", "shared", "dense")


def find_ffns(model: nn.Module, down_projection: str | None = None) -> list[FFN]:
    """The FFN of every decoder layer of `model`, in layer order.

    Those of dense layers are `DenseFFN`s. Of a mixture of experts only the output can be had: all
    that its experts, shared ones included, add to the layer.

    Args:
        model: a transformers decoder model, with or without its LM head.
        down_projection: path of the down projection below a decoder layer, for
            architectures that `DOWN_PROJECTIONS` does not name.

    Raises:
        ModelError: encoder-decoder, no down projection found, or experts whose output no module
            gives.
    """
    name = type(model).__name__
    config: Any = getattr(model, "config", None)
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(f"{name} is an encoder-decoder; langsteer edits decoder-only models")
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    layers = _decoder_layers(model, text)
    ffns = [
        _mixture(layer, i, name, text) or _dense(layer, i, name, down_projection)
        for i, layer in enumerate(layers)
    ]
    widths = sorted({ffn.intermediate_size for ffn in ffns if isinstance(ffn, DenseFFN)})
    if len(widths) > 1:
        raise ModelError(f"{name}: layers have FFNs of different widths {widths}; not supported")
    # Set where tensor-parallel slices of a BLOOM checkpoint are multiplied one by one: the down
    # projection is then read but never called, and an edit on it would silently do nothing.
    if getattr(config, "slow_but_exact", False) and getattr(config, "pretraining_tp", 1) > 1:
        raise ModelError(f"{name}: load it with slow_but_exact=False to make its FFNs editable")
    return ffns


def is_mixture(ffns: Sequence[FFN]) -> bool:
    """Whether any of a model's FFNs is a mixture of experts, whose neurons cannot be had."""
    return not all(isinstance(ffn, DenseFFN) for ffn in ffns)


def find_dense_ffns(model: nn.Module, down_projection: str | None = None) -> list[DenseFFN]:
    """As `find_ffns`, for what reads or edits neurons.

    Raises:
        ModelError: see `find_ffns`; or a layer is a mixture of experts.
    """
    ffns = find_ffns(model, down_projection)
    dense = [ffn for ffn in ffns if isinstance(ffn, DenseFFN)]
    if len(dense) < len(ffns):
        first = next(ffn for ffn in ffns if not isinstance(ffn, DenseFFN))
        raise ModelError(
            f"{type(model).__name__} is a mixture of experts (layer {first.layer}, {first.path}): "
            "it has no neurons that langsteer can read or edit, only FFN outputs. Memories and "
            "offsets on those work: `langsteer profile` with the default --method or with "
            "learned-offset, and without --suppress"
        )
    return dense


def _decoder_layers(model: nn.Module, text: Any) -> nn.ModuleList:
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


def _mixture(layer: nn.Module, index: int, name: str, text: Any) -> FFN | None:
    """The layer's mixture of experts; None where it has none."""
    experts = [path for path, module in layer.named_modules() if _holds_experts(path, module)]
    if not experts:
        return None
    block, *others = {path.partition(".")[0]: None for path in experts}
    beside = [
        child
        for child, module in layer.named_children()
        if child != block and any(word in child for word in _FEED_FORWARD) and any(_linears(module))
    ]
    if block in experts or others or beside:
        raise ModelError(
            f"{name}: the feed-forward network of layer {index} is spread over the modules "
            f"{', '.join([block, *others, *beside])}; langsteer edits the output of one module"
        )
    return FFN(
        layer=index,
        output=layer.get_submodule(block),
        hidden_size=int(text.hidden_size),
        path=block,
        block=layer.get_submodule(block),
    )


def _holds_experts(path: str, module: nn.Module) -> bool:
    """In every family of transformers they go by this name, as modules or as one of matrices."""
    return path.rpartition(".")[2] == "experts" or "Experts" in type(module).__name__


def _dense(layer: nn.Module, index: int, name: str, path: str | None) -> DenseFFN:
    modules: Mapping[str, nn.Module] = dict(layer.named_modules())
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
    # Above a down projection that is the layer's own child is the layer, which attention begins.
    above = found.rpartition(".")[0]
    return DenseFFN(
        layer=index,
        down=down,
        output=down,
        intermediate_size=size[0],
        hidden_size=size[1],
        path=found,
        block=modules[above] if above else None,
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
