"""An offset on the FFN outputs as a few of the FFNs' own memories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from profiles.errors import ProfileError
from profiles.profile import NeuronEdit, OffsetEdit

ROUNDS = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Decomposition:
    """A sparse neuron edit that stands for an offset.

    Attributes:
        neurons: additions only, by layer and neuron.
        residual: share of the offset's norm that is left over, each layer in units of its
            output's size; 0 where the neurons express the offset exactly.
    """

    neurons: NeuronEdit
    residual: float


def decompose(
    offset: OffsetEdit, values: Sequence[Tensor], sizes: Tensor, count: int, rounds: int = ROUNDS
) -> Decomposition:
    """The `count` neurons, of all layers, whose values best add up to `offset`.

    An FFN's output is a sum of value vectors (Geva et al. 2021, equation 1), so an offset o of a
    layer is the same edit as additions b to its neurons where W_down b = o. Orthogonal matching
    pursuit (Pati et al. 1993) in blocks: each of `rounds` rounds takes the neurons, over all
    layers at once, whose values point most along what is still missing, then fits all additions
    of a layer anew by least squares.

    Args:
        offset: what to express.
        values: per layer of the model, float [hidden_size, neurons], see `value_vectors`.
        sizes: float [layers], root mean square of each layer's FFN output: what counts is an
            offset's size beside it.
        count: neurons to use, at least 1.

    Raises:
        ProfileError: `count` is out of range.
    """
    available = sum(v.shape[1] for v in values)
    if not 1 <= count <= available:
        raise ProfileError(f"cannot use {count} neurons; the model has {available}")
    goal = _dense(offset, values)
    weight = [
        1 / (float(size) * math.sqrt(v.shape[0])) for size, v in zip(sizes, values, strict=True)
    ]
    norms = [v.norm(dim=0).clamp_min(1e-6) for v in values]
    chosen = [torch.zeros(v.shape[1], dtype=torch.bool, device=v.device) for v in values]
    fits = [torch.zeros(0, device=v.device) for v in values]
    missing = [g.clone() for g in goal]
    for done in range(1, min(rounds, count) + 1):
        gains = [
            torch.where(c, -1.0, w * (v.T @ m).abs() / n)
            for v, m, n, c, w in zip(values, missing, norms, chosen, weight, strict=True)
        ]
        wanted = count * done // min(rounds, count) - int(sum(int(c.sum()) for c in chosen))
        best = torch.cat(gains).topk(wanted).indices
        edges = np.cumsum([0, *(v.shape[1] for v in values)])
        for layer, v in enumerate(values):
            here = best[(best >= edges[layer]) & (best < edges[layer + 1])] - int(edges[layer])
            if len(here):
                chosen[layer][here] = True
                atoms = v[:, chosen[layer]]
                # The pseudoinverse also serves a layer with more neurons than dimensions.
                fits[layer] = torch.linalg.pinv(atoms) @ goal[layer]
                missing[layer] = goal[layer] - atoms @ fits[layer]
    left = math.hypot(*(w * float(m.norm()) for w, m in zip(weight, missing, strict=True)))
    whole = math.hypot(*(w * float(g.norm()) for w, g in zip(weight, goal, strict=True)))
    return Decomposition(neurons=_edit(chosen, fits), residual=left / whole if whole else 0.0)


def express(offset: OffsetEdit, values: Sequence[Tensor]) -> NeuronEdit:
    """`offset` as additions to all neurons, no more than it takes.

    Of all additions b with W_down b = o, those whose values' sum of squared lengths is least.
    There must be as many neurons as dimensions.

    Args:
        offset, values: see `decompose`.
    """
    goal = _dense(offset, values)
    norms = [v.norm(dim=0).clamp_min(1e-6) for v in values]
    fits = []
    for v, n, g in zip(values, norms, goal, strict=True):
        unit = v / n
        # The least-norm solution by a system as small as the hidden size: a pseudoinverse of the
        # whole takes twenty times as long. A trace of ridge serves one that is nearly singular.
        product = unit @ unit.T
        product.diagonal().add_(1e-6 * product.diagonal().mean())
        fits.append(unit.T @ torch.linalg.solve(product, g) / n)
    return _edit([torch.ones_like(n, dtype=torch.bool) for n in norms], fits)


def _dense(offset: OffsetEdit, values: Sequence[Tensor]) -> list[Tensor]:
    goal = [torch.zeros(v.shape[0], device=v.device) for v in values]
    for layer, value in zip(offset.layer.tolist(), offset.value, strict=True):
        goal[layer] = torch.from_numpy(value.copy()).to(values[layer].device)
    return goal


def _edit(chosen: Sequence[Tensor], fits: Sequence[Tensor]) -> NeuronEdit:
    neurons = [c.nonzero()[:, 0].cpu().numpy().astype(np.int32) for c in chosen]
    layers = [np.full(len(n), layer, np.int32) for layer, n in enumerate(neurons)]
    add = np.concatenate([f.cpu().numpy() for f in fits]).astype(np.float32)
    return NeuronEdit(
        layer=np.concatenate(layers),
        neuron=np.concatenate(neurons),
        add=add,
        scale=np.zeros_like(add),
    )
