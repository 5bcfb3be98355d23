"""What each memory's value says: the vocabulary it promotes and demotes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from profiles.inside.memories.decoder import Decoder
from profiles.inside.memories.head import Head
from profiles.inside.memories.said import Said
from profiles.models.values import value_vectors

# Rows read at once: with 262,144 tokens their logits take 268 MB.
ROWS = 256


@torch.inference_mode()
def read_vectors(head: Head, added_NH: Tensor, member_VG: Tensor, count: int) -> Said:
    """Read parts of the residual stream, [n, hidden_size], see `Head.contribution`.

    Args:
        head: of the model.
        added_NH: the vectors.
        member_VG: float32 [vocabulary, groups], see `Groups.member`, where the vectors are.
        count: tokens kept each way.
    """
    count = min(count, head.size)
    made: list[tuple[Tensor, Tensor, Tensor]] = []
    for start in range(0, len(added_NH), ROWS):
        rows_NH = added_NH[start : start + ROWS]
        x_NH = head.directions(rows_NH)
        logits_NV = head.promoted(x_NH)
        ways = [_one_way(head, x_NH, logits_NV, member_VG, count)]
        ways.append(_one_way(head, -x_NH, logits_NV.neg_(), member_VG, count))
        tokens, probability, mass = (torch.stack(part, 1) for part in zip(*ways, strict=True))
        made.append((tokens.int().cpu(), probability.cpu(), mass.half().cpu()))
    whole = [torch.cat(part).numpy() for part in zip(*made, strict=True)]
    return Said(tokens=whole[0], probability=whole[1], mass=whole[2])


def read_values(
    decoder: Decoder,
    member_VG: Tensor,
    count: int,
    progress: Callable[[int, int], None] | None = None,
) -> Said:
    """Read the values of all neurons: leading axes [layers, neurons].

    Costs one product of [neurons, hidden_size] with the unembedding, a few hundred rows at a time.
    """
    parts: list[Said] = []
    for layer, ffn in enumerate(decoder.ffns):
        value_NH = decoder.head.contribution(layer, value_vectors(ffn).T)
        parts.append(read_vectors(decoder.head, value_NH, member_VG, count))
        if progress:
            progress(layer + 1, len(decoder.ffns))

    def stacked(name: str) -> Any:
        return np.stack([getattr(part, name) for part in parts])

    return Said(**{name: stacked(name) for name in ("tokens", "probability", "mass")})


def _one_way(
    head: Head, x_NH: Tensor, logits_NV: Tensor, member_VG: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    best, tokens = head.top(x_NH, logits_NV, count, part=True)
    p_NV = torch.softmax(logits_NV, dim=1)
    # Of the same size as the softmax's own largest, whichever type the product was in.
    highest, likeliest = logits_NV.amax(1, keepdim=True), p_NV.amax(1, keepdim=True)
    probability = (torch.exp(best - highest) * likeliest).clamp_max(1)
    return tokens, probability, p_NV @ member_VG
