"""From the states at sampled positions to what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiles.inside.memories.decoder import Decoder
from profiles.inside.memories.head import Head
from profiles.inside.memories.listen import Listener
from profiles.inside.memories.said import DOWN, UP, Said
from profiles.inside.memories.sampled import UNREAD, Sampled
from profiles.inside.memories.values import ROWS
from profiles.models.values import value_vectors


@torch.inference_mode()
def read_sample(
    decoder: Decoder,
    heard: Listener,
    labels: NDArray[np.int32],
    progress: Callable[[int, int], None] | None = None,
) -> Sampled:
    """Read every sampled state through the unembedding (Geva et al. 2021, section 5.2).

    Args:
        decoder: the model's modules.
        heard: after its run.
        labels: int32 [positions], their languages.
        progress: called with (layers done, layers in all).
    """
    head, layers = decoder.head, len(decoder.ffns)
    final_P = _read(head, heard.after[:, -1], None)[0]
    columns: list[dict[str, Tensor]] = []
    for layer in range(layers):
        after_PH, added_PH = heard.after[:, layer], heard.outputs[:, layer] * head.residual_scale
        after, after_p, rank = _read(head, after_PH, final_P)
        before, before_p, _ = _read(head, after_PH - added_PH, final_P)
        value_NH = head.contribution(layer, value_vectors(decoder.ffns[layer]).T)
        coefficient_PN = heard.coefficients[:, layer].float()
        size_PN = coefficient_PN.abs() * value_NH.norm(dim=1)
        lead = size_PN.argmax(1)
        columns.append(
            {
                "before": before,
                "after": after,
                "output": _part_top(head, added_PH),
                "before_p": before_p,
                "after_p": after_p,
                "after_rank": rank,
                "lead": lead,
                "lead_up": coefficient_PN.gather(1, lead[:, None])[:, 0] > 0,
                "effective": size_PN.sum(1).square()
                / size_PN.square().sum(1).clamp_min(torch.finfo(torch.float32).tiny),
            }
        )
        if progress:
            progress(layer + 1, layers)
    stacked: dict[str, Any] = {
        name: torch.stack([column[name] for column in columns], 1).cpu().numpy()
        for name in columns[0]
    }
    whole = ("before", "after", "output", "after_rank", "lead")
    return Sampled(
        labels=labels,
        final=final_P.int().cpu().numpy(),
        alone=np.full((len(labels), layers), UNREAD, np.int8),
        **{k: v.astype(np.int32) if k in whole else v for k, v in stacked.items()},
    )


def composed(sampled: Sampled, coefficients: Tensor, said: Said) -> NDArray[np.int8]:
    """`Sampled.alone`: where a layer's first token is no memory's (Geva et al. 2021, section 5.1).

    A memory's token is the first that its value promotes, or demotes where its coefficient is
    negative; memories with a coefficient of 0 have no say.

    Args:
        sampled: the readings.
        coefficients: [positions, layers, neurons].
        said: of all neurons.
    """
    first_LN2 = torch.from_numpy(np.ascontiguousarray(said.tokens[..., 0]))
    output_PL = torch.from_numpy(sampled.output)
    alone = np.zeros(sampled.output.shape, np.int8)
    for layer in range(len(first_LN2)):
        c_PN = coefficients[:, layer].cpu()
        wanted_P1 = output_PL[:, layer, None]
        up = (c_PN > 0) & (first_LN2[layer, :, UP] == wanted_P1)
        down = (c_PN < 0) & (first_LN2[layer, :, DOWN] == wanted_P1)
        alone[:, layer] = (~(up | down).any(1)).numpy()
    return alone


def _read(head: Head, state_PH: Tensor, token_P: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """(first token, probability of `token_P`, its rank from 1), each [positions]."""
    parts = []
    for start in range(0, len(state_PH), ROWS):
        rows_NH = state_PH[start : start + ROWS]
        logits_NV = head.read(rows_NH)
        first_N = head.top(rows_NH, logits_NV, 1, part=False)[1][:, 0]
        token_N = first_N if token_P is None else token_P[start : start + ROWS]
        own_N1 = logits_NV.gather(1, token_N[:, None])
        rank_N = (logits_NV > own_N1).sum(1) + 1
        # Where the type makes logits alike, the first token is not behind itself.
        rank_N = torch.where(first_N == token_N, 1, rank_N)
        # In place: these are the largest arrays there are, and nobody reads them again.
        highest_N1 = logits_NV.amax(1, keepdim=True)
        p_N = torch.exp(own_N1 - highest_N1)[:, 0] / logits_NV.sub_(highest_N1).exp_().sum(1)
        parts.append((first_N, p_N, rank_N))
    first, p, rank = (torch.cat(column) for column in zip(*parts, strict=True))
    return first, p, rank


def _part_top(head: Head, added_PH: Tensor) -> Tensor:
    found = []
    for start in range(0, len(added_PH), ROWS):
        x_NH = head.directions(added_PH[start : start + ROWS])
        found.append(head.top(x_NH, head.promoted(x_NH), 1, part=True)[1][:, 0])
    return torch.cat(found)
