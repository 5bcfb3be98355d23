"""Baseline: a language's mean difference, added to the residual stream of one layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from profiles.judging.likelihood import bits_of
from profiles.models.architecture import find_ffns
from profiles.models.model import LoadedModel

_ROWS = 16
DEPTHS, GAINS = (1 / 3, 1 / 2, 2 / 3), (0.5, 1.0, 2.0)


def residual_means(loaded: LoadedModel, texts: Mapping[str, Sequence[str]]) -> dict[str, Tensor]:
    """Mean residual stream after each layer over all tokens but BOS, by language.

    Returns:
        float32 [layers, hidden_size] a language.
    """
    decoder: Any = loaded.decoder
    out = {}
    for language, own in texts.items():
        total, count = torch.zeros(()), 0
        rows = [[int(i) for i in loaded.tokenizer(t).input_ids] for t in own]
        for n in range(0, len(rows), _ROWS):
            batch = rows[n : n + _ROWS]
            width = max(map(len, batch))
            # Padded on the right: causal attention then needs no mask.
            ids = torch.tensor([r + [0] * (width - len(r)) for r in batch], device=loaded.device)
            with torch.inference_mode(), _streams(loaded) as streams:
                decoder(input_ids=ids, use_cache=False)
            states_LBTH = torch.stack(streams)
            for i, row in enumerate(batch):
                total = total + states_LBTH[:, i, 1 : len(row)].sum(1).cpu()
                count += len(row) - 1
        out[language] = total / max(count, 1)
    return out


def difference(means: Mapping[str, Tensor], language: str) -> Tensor:
    """Mean of a language less the mean of the others, [layers, hidden_size]."""
    others = [mean for other, mean in means.items() if other != language]
    return means[language] - torch.stack(others).mean(0)


def best_place(
    loaded: LoadedModel,
    vectors_LH: Tensor,
    pairs: Sequence[tuple[str, str]],
) -> tuple[int, float]:
    """The layer and gain under which the pairs' second texts cost least after their first.

    Args:
        loaded: the model.
        vectors_LH: what to add, a layer's row at that layer only.
        pairs: (context, text to make likely).
    """

    def encode(text: str) -> list[int]:
        return [int(i) for i in loaded.tokenizer(text, add_special_tokens=False).input_ids]

    contexts, texts = zip(*[(encode(a), encode(b)) for a, b in pairs], strict=True)
    layers = sorted({int(depth * len(vectors_LH)) for depth in DEPTHS})
    costs = {}
    for layer in layers:
        for gain in GAINS:
            with shifted(loaded, layer, gain * vectors_LH[layer]):
                costs[layer, gain] = sum(bits_of(loaded, texts, contexts))
    return min(costs, key=lambda place: costs[place])


@contextmanager
def shifted(loaded: LoadedModel, layer: int, vector_H: Tensor) -> Iterator[None]:
    """Within the block `vector_H` is added to the output of decoder layer `layer`."""

    def after(_module: nn.Module, _args: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        moved = (hidden.float() + vector_H.to(hidden.device)).to(hidden.dtype)
        return (moved, *output[1:]) if isinstance(output, tuple) else moved

    handle = _layers(loaded)[layer].register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _streams(loaded: LoadedModel) -> Iterator[list[Tensor]]:
    found: list[Tensor] = []

    def after(_module: nn.Module, _args: Any, output: Any) -> None:
        found.append((output[0] if isinstance(output, tuple) else output).float())

    handles = [layer.register_forward_hook(after) for layer in _layers(loaded)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _layers(loaded: LoadedModel) -> list[nn.Module]:
    """The decoder layers: the module list whose entries hold the FFNs, one each."""
    ffns = find_ffns(loaded.model)
    for module in loaded.model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == len(ffns):
            pairs = zip(module, ffns, strict=True)
            if all(any(part is ffn.output for part in layer.modules()) for layer, ffn in pairs):
                return [*module]
    raise AssertionError("find_ffns found the layers, so they are there")
