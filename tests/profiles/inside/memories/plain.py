"""The slow way in float64: sentence by sentence, token by token, nothing but the definitions."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from profiles.models.architecture import find_dense_ffns
from profiles.models.model import LoadedModel

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plain:
    """Of every real token of a text, in order; layers in lists.

    Attributes:
        tokens, following: the token, and the next one of its sentence or None.
        sentence: index of each token's.
        coefficients: [tokens, neurons] by layer.
        before, after, output: [tokens, vocabulary] by layer: logits of the stream and of the FFN's
            output.
        size: [neurons] by layer, lengths of the values as they reach the stream.
        values: [neurons, vocabulary] by layer, logits.
    """

    tokens: list[int]
    following: list[int | None]
    sentence: list[int]
    coefficients: list[Floats]
    before: list[Floats]
    after: list[Floats]
    output: list[Floats]
    size: list[Floats]
    values: list[Floats]


def plain(loaded: LoadedModel, sentences: list[str]) -> Plain:
    """Read `sentences`, each by itself, without padding."""
    model = copy.deepcopy(loaded.model).double()
    ffns = find_dense_ffns(model)
    names = {module: path for path, module in model.named_modules()}
    layers = [model.get_submodule(names[f.down].removesuffix(f".{f.path}")) for f in ffns]
    count = len(ffns)
    found: dict[str, list[list[Any]]] = {
        k: [[] for _ in ffns] for k in ("coefficients", "before", "after", "output")
    }
    tokens: list[int] = []
    following: list[int | None] = []
    which: list[int] = []
    for index, sentence in enumerate(sentences):
        ids = loaded.tokenizer(sentence).input_ids
        keep = [i for i, t in enumerate(ids) if t not in loaded.tokenizer.all_special_ids]
        tokens += [ids[i] for i in keep]
        following += [ids[i + 1] if i + 1 < len(ids) else None for i in keep]
        which += [index] * len(keep)
        for layer in range(count):
            down, whole = ffns[layer].down, layers[layer]
            seen = _run(model, ids, down, whole)
            # The stream before a layer's FFN is what the layer gives without it.
            without = _run(model, ids, down, whole, silence=True)
            added = seen["after"] - without["after"]
            found["coefficients"][layer].append(seen["coefficients"][keep])
            found["before"][layer].append(_read(model, without["after"][keep]))
            found["after"][layer].append(_read(model, seen["after"][keep]))
            found["output"][layer].append(_part(model, added[keep]))
    values, size = [], []
    for layer in range(count):
        value = _reaching(layers[layer], _values(ffns[layer].down))
        size.append(value.norm(dim=1).numpy())
        values.append(_part(model, value))
    whole_text = {k: [np.concatenate(part) for part in parts] for k, parts in found.items()}
    return Plain(tokens, following, which, **whole_text, size=size, values=values)


def softmax(logits: Floats) -> Floats:
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


@torch.no_grad()
def _run(model: Any, ids: list[int], down: Any, layer: Any, silence: bool = False) -> Any:
    seen: dict[str, torch.Tensor] = {}

    def first(output: Any) -> torch.Tensor:
        return output[0] if isinstance(output, tuple) else output

    handles = [
        down.register_forward_pre_hook(
            lambda _m, args: seen.update(coefficients=args[0].reshape(len(ids), -1))
        ),
        layer.register_forward_hook(
            lambda _m, _a, output: seen.update(after=first(output).reshape(len(ids), -1))
        ),
    ]
    if silence:
        handles.append(down.register_forward_hook(lambda _m, _a, output: torch.zeros_like(output)))
    model(input_ids=torch.tensor([ids]), use_cache=False)
    for handle in handles:
        handle.remove()
    return seen


def _values(down: Any) -> torch.Tensor:
    weight: torch.Tensor = down.weight.detach()
    return weight if type(down).__name__ == "Conv1D" else weight.T


def _reaching(layer: Any, value: torch.Tensor) -> torch.Tensor:
    post = getattr(layer, "post_feedforward_layernorm", None)
    return value if post is None else value * (1 + post.weight.detach())  # Gemma's


def _final(model: Any) -> tuple[torch.Tensor, torch.Tensor, bool]:
    """(gain, bias, whether it centres) of the final norm, by what each family documents."""
    name = type(model).__name__
    if name.startswith("GPT2"):
        norm = model.transformer.ln_f
        return norm.weight.detach(), norm.bias.detach(), True
    if name.startswith("OPT"):
        norm = model.model.decoder.final_layer_norm
        return norm.weight.detach(), norm.bias.detach(), True
    gain = model.model.norm.weight.detach()
    return (1 + gain if name.startswith("Gemma") else gain), torch.zeros_like(gain), False


def _head(model: Any, x: torch.Tensor) -> Floats:
    logits = x @ model.get_output_embeddings().weight.detach().T
    config = model.config
    logits = logits / (getattr(config, "logits_scaling", None) or 1)
    if cap := getattr(config, "final_logit_softcapping", None):
        logits = cap * torch.tanh(logits / cap)
    return logits.numpy()


def _read(model: Any, state: torch.Tensor) -> Floats:
    gain, bias, centred = _final(model)
    state = state - state.mean(-1, keepdim=True) if centred else state
    eps = 1e-5 if centred else 1e-6
    return _head(model, state / (state.square().mean(-1, keepdim=True) + eps).sqrt() * gain + bias)


def _part(model: Any, vector: torch.Tensor) -> Floats:
    gain, _, centred = _final(model)
    vector = vector - vector.mean(-1, keepdim=True) if centred else vector
    return _head(model, vector / vector.square().mean(-1, keepdim=True).sqrt() * gain)
