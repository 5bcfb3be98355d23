"""What a decoder layer's modules took in and gave out, one layer of a forward pass at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from profiles.errors import ModelError
from profiles.models.ffn import DenseFFN


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """One module's call: its path below the layer, and the tensors [T, features] of one text."""

    path: str
    module: nn.Module
    input: Tensor
    output: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """A layer's calls, in the order in which they returned.

    Attributes:
        layer: index of the decoder layer, from 0.
        ffn: its feed-forward network.
        input, output: [T, hidden_size], of the whole layer.
        attention: path of the attention module.
        alpha: [heads, T, T], target by source, attention weights as they were used.
        value: [key-value heads, T, head size], of every token.
        calls: of modules without children, those that change nothing left out.
    """

    layer: int
    ffn: DenseFFN
    input: Tensor
    output: Tensor
    attention: str
    alpha: Tensor
    value: Tensor
    calls: list[Call]


def traced(model: Any, ffns: list[DenseFFN], ids: Tensor, take: Callable[[Trace], None]) -> None:
    """Run `model` over one text, and hand each layer's trace to `take` before the next begins.

    So one layer is in memory at a time. Edits by hooks must be in place already: what they made of
    a module's output is then what is seen.

    Args:
        model: a causal transformers model; attention runs eagerly meanwhile.
        ffns: of all its layers.
        ids: int64 [T].

    Raises:
        ModelError: a layer gave no attention weights, or kept no values in its cache.
    """
    from transformers import DynamicCache

    cache = DynamicCache()  # without a configuration: of sliding layers, too, it keeps everything
    with ExitStack() as stack, torch.inference_mode():
        stack.enter_context(_eager(model))
        for ffn, layer in zip(ffns, _layers(model, ffns), strict=True):
            _Watch(ffn, cache, take).on(layer, stack)
        model.base_model(
            input_ids=ids[None],
            attention_mask=torch.ones_like(ids)[None],
            past_key_values=cache,
            use_cache=True,
        )


class _Watch:
    """Hooks on one layer that fill a trace, and hand it on when the layer returns."""

    def __init__(self, ffn: DenseFFN, cache: Any, take: Callable[[Trace], None]) -> None:
        self._ffn, self._cache, self._take = ffn, cache, take
        self._calls: list[Call] = []
        self._attention: list[tuple[str, Tensor]] = []
        self._entered: list[Tensor] = []

    def on(self, layer: nn.Module, stack: ExitStack) -> None:
        stack.callback(layer.register_forward_pre_hook(self._enter, with_kwargs=True).remove)
        for path, module in layer.named_modules():
            if path:
                note = self._branch if any(module.children()) else self._leaf
                stack.callback(module.register_forward_hook(partial(note, path)).remove)
        stack.callback(layer.register_forward_hook(self._leave).remove)

    def _enter(self, _module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._calls.clear()
        self._attention.clear()
        self._entered[:] = [_flat(args[0] if args else kwargs["hidden_states"])]

    def _leaf(self, path: str, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if not (args and torch.is_tensor(args[0]) and torch.is_tensor(output)):
            return
        into, out = _flat(args[0]), _flat(output)
        if into.shape != out.shape or not torch.equal(into, out):  # as dropout is, here
            self._calls.append(Call(path=path, module=module, input=into, output=out))

    def _branch(self, path: str, _module: nn.Module, _args: Any, output: Any) -> None:
        weights = output[1] if isinstance(output, tuple) and len(output) > 1 else None
        if torch.is_tensor(weights) and weights.ndim == 4:
            self._attention[:] = [(path, weights[0])]  # the outermost module is the last

    def _leave(self, _module: nn.Module, _args: Any, output: Any) -> None:
        layer = self._ffn.layer
        if not self._attention:
            raise ModelError(
                f"layer {layer}: no module gave attention weights; contextualize needs a model "
                "whose layers attend by softmax (and transformers' eager attention)"
            )
        path, alpha = self._attention.pop()
        self._take(
            Trace(
                layer=layer,
                ffn=self._ffn,
                input=self._entered.pop(),
                output=_flat(output[0] if isinstance(output, tuple) else output),
                attention=path,
                alpha=alpha,
                value=_values(self._cache, layer),
                calls=self._calls,
            )
        )
        self._calls.clear()


def _flat(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])


def _values(cache: Any, layer: int) -> Tensor:
    """Of the cache, and not of a projection: models fuse, norm and group those differently."""
    kept = cache.layers[layer].values if layer < len(cache.layers) else None
    if kept is None or kept.ndim != 4:
        raise ModelError(
            f"layer {layer} kept no values of its tokens in a key-value cache; contextualize "
            "reads them there"
        )
    values: Tensor = kept[0]
    return values


def _layers(model: nn.Module, ffns: list[DenseFFN]) -> list[nn.Module]:
    """The decoder layers, by the down projections below them."""
    owners = {
        id(module.get_submodule(ffn.path)): module
        for ffn in ffns
        for module in model.modules()
        if _holds(module, ffn)
    }
    return [owners[id(ffn.down)] for ffn in ffns]


def _holds(module: nn.Module, ffn: DenseFFN) -> bool:
    try:
        return module.get_submodule(ffn.path) is ffn.down
    except AttributeError:
        return False


@contextmanager
def _eager(model: Any) -> Iterator[None]:
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)
