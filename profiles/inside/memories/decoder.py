"""The modules of a decoder that memories are read at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from profiles.errors import ModelError
from profiles.inside.memories.head import Head
from profiles.inside.memories.norm import measure_norm
from profiles.models.architecture import find_dense_ffns
from profiles.models.ffn import DenseFFN

# Of norms between an FFN's output and the residual stream; "post_attention_layernorm" is before it.
_POST = ("post_feedforward", "post_ffn", "post_mlp", "post_ffw")
# Two readings of one state, the model's and ours, in bfloat16.
_TOLERANCE = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoder:
    """Where a decoder's memories, its residual stream and its vocabulary meet.

    Attributes:
        layers: its decoder layers, whose outputs are the residual stream.
        ffns: their FFNs.
        posts: by layer, the norm between the FFN's output and the stream, or None.
        head: final norm and unembedding.
    """

    layers: tuple[nn.Module, ...]
    ffns: tuple[DenseFFN, ...]
    posts: tuple[nn.Module | None, ...]
    head: Head


def find_decoder(model: Any, down_projection: str | None = None) -> Decoder:
    """Find them in a causal language model.

    Args:
        model: of transformers, with its LM head.
        down_projection: see `find_ffns`.

    Raises:
        ModelError: see `find_dense_ffns` and `measure_norm`; or there is no final norm, the
            unembedding reads another width, or a reading of the last layer's output through both
            is not the model's own.
    """
    ffns = tuple(find_dense_ffns(model, down_projection))
    names = {module: path for path, module in model.named_modules()}
    paths = [names[ffn.down].removesuffix(f".{ffn.path}") for ffn in ffns]
    layers = tuple(model.get_submodule(path) for path in paths)
    posts = tuple(_post(layer) for layer in layers)
    size, name = ffns[0].hidden_size, type(model).__name__
    final_path = _final_norm(model, paths[0].rpartition(".")[0].rpartition(".")[0], name)
    unembedding: Any = model.get_output_embeddings()
    weight = getattr(unembedding, "weight", None)
    if weight is None or not weight.is_floating_point() or weight.shape[-1] != size:
        shape = "none" if weight is None else f"{weight.dtype} {tuple(weight.shape)}"
        raise ModelError(
            f"{name}: its unembedding is {shape}, expected floats [vocabulary, {size}]; memories "
            "are read through it"
        )
    config = model.config.get_text_config()
    bias = getattr(unembedding, "bias", None)
    cap = getattr(config, "final_logit_softcapping", None)
    head = Head(
        norm=measure_norm(model.get_submodule(final_path), size, final_path, weight.device),
        weight=weight.detach(),
        bias=None if bias is None else bias.detach().float(),
        scale=_scale(config),
        cap=None if cap is None else float(cap),
        posts=tuple(
            None if post is None else measure_norm(post, size, f"{path}'s last norm", weight.device)
            for path, post in zip(paths, posts, strict=True)
        ),
        residual_scale=float(getattr(config, "residual_multiplier", 1.0)),
    )
    _check(model, layers[-1], head, name)
    return Decoder(layers=layers, ffns=ffns, posts=posts, head=head)


def first_of(output: Any) -> Tensor:
    """The hidden states of what a decoder layer returns: alone, or before others."""
    return output[0] if isinstance(output, tuple) else output  # type: ignore[no-any-return]


def _post(layer: nn.Module) -> nn.Module | None:
    children = layer.named_children()
    # GPT-NeoX has a dropout of such a name.
    found = (child for name, child in children if name.startswith(_POST) and _is_norm(child))
    return next(found, None)


def _is_norm(module: nn.Module) -> bool:
    return "norm" in type(module).__name__.lower()


def _final_norm(model: nn.Module, parent: str, name: str) -> str:
    """The norm beside the list of layers; the last one, for BLOOM's embeddings have one too."""
    children = model.get_submodule(parent).named_children()
    norms = [path for path, module in children if _is_norm(module) and "embed" not in path]
    if not norms:
        raise ModelError(f"{name}: no norm beside its decoder layers ({parent}) to read them by")
    return f"{parent}.{norms[-1]}" if parent else norms[-1]


def _scale(config: Any) -> float:
    if (factor := getattr(config, "logit_scale", None)) is not None:
        return float(factor)
    return 1.0 / float(getattr(config, "logits_scaling", None) or 1.0)


@torch.inference_mode()
def _check(model: Any, last: nn.Module, head: Head, name: str) -> None:
    """Families differ after their last layer in ways no list is sure to hold: ask this one."""
    seen: list[Tensor] = []
    handle = last.register_forward_hook(lambda _m, _a, output: seen.append(first_of(output)))
    ids = torch.arange(min(8, head.size), device=head.weight.device)[None]
    try:
        # A mask, or transformers warns where one of these tokens is what it pads with.
        mask = torch.ones_like(ids)
        expected = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[0].float()
    finally:
        handle.remove()
    found = head.read(seen[0].reshape(ids.shape[1], -1))
    off = float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-6))
    if not off < _TOLERANCE:
        raise ModelError(
            f"{name}: its last layer read through its final norm and unembedding is off by "
            f"{off:.0%} from the model's own logits; something stands between them that langsteer "
            "does not know"
        )
