"""How probable it is that a neuron is active in each language, draw by draw. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Floats

# A neuron that no language activates on so many of its tokens has counts too small to say anything.
LIVE = 0.01
_BLOCK_BYTES = 2 << 20  # so little that what is made of it stays in the core's cache
_TINY = np.float32(np.finfo(np.float32).tiny)


@dataclass(frozen=True, kw_only=True, eq=False)
class Entropies:
    """Of one layer. Entropies are over their greatest value: 1 where languages are alike.

    Attributes:
        all: float64 [draws + 1], mean over the live neurons of Tang et al.'s H over ln(languages);
            entry 0 is the corpus itself. 1 where no neuron is live.
        pairs: [draws + 1, pairs], the same over two languages only.
        neurons: float32 [draws + 1, candidates], H in nats of the neurons asked for.
        above: bool [draws + 1, languages, candidates], where their probability is above the bar.
    """

    all: NDArray[np.float64]
    pairs: NDArray[np.float64]
    neurons: Floats
    above: NDArray[np.bool_]


def probabilities(active: Floats, tokens: NDArray[np.int64], weights: Floats) -> Floats:
    """float32 [languages, draws, neurons], share of the tokens at which neurons are active.

    Args:
        active: [languages, lines, neurons], counts of tokens.
        tokens: [languages, lines].
        weights: [draws, lines].
    """
    counts = np.stack([weights @ np.asarray(own, np.float32) for own in active])
    total = (tokens @ weights.T.astype(np.float64))[:, :, None]
    found: Floats = np.minimum(counts / np.maximum(total, 1), 1).astype(np.float32)
    return found


def entropies(
    active: Floats,
    tokens: NDArray[np.int64],
    weights: Floats,
    pairs: Sequence[tuple[int, int]],
    candidates: NDArray[np.integer],
    bar: float,
) -> Entropies:
    """Entropy of activation probability (Tang et al. 2024, section 3.2) in one layer.

    Args:
        active, tokens, weights: see `probabilities`.
        pairs: of languages, by index.
        candidates: [candidates], neurons whose own entropies are wanted.
        bar: see `Lape.bar`.
    """
    languages, lines, neurons = active.shape
    every = np.concatenate([np.ones((1, lines), np.float32), weights])
    own = np.empty((len(every), len(candidates)), np.float32)
    above = np.empty((len(every), languages, len(candidates)), np.bool_)
    whole = np.zeros(len(every))
    two = np.zeros((len(every), len(pairs)))
    live = 0
    step = max(1, _BLOCK_BYTES // (4 * languages * len(every)))
    for start in range(0, neurons, step):
        p = probabilities(active[:, :, start : start + step], tokens, every)
        mine = (candidates >= start) & (candidates < start + step)
        if mine.any():
            at = p[:, :, candidates[mine] - start]
            own[:, mine] = _entropy(at.sum(axis=0), _product(at).sum(axis=0), languages)
            above[:, :, mine] = at.swapaxes(0, 1) > bar
        # Which neurons count is the corpus's say, or a draw's mean would be over other ones.
        p = p[:, :, p[:, 0].max(axis=0) >= LIVE]
        live += p.shape[2]
        products = _product(p)
        found = _entropy(p.sum(axis=0), products.sum(axis=0), languages)
        whole += found.sum(axis=1, dtype=np.float64)
        for n, (a, b) in enumerate(pairs):
            found = _entropy(p[a] + p[b], products[a] + products[b], 2)
            two[:, n] += found.sum(axis=1, dtype=np.float64)
    if not live:
        whole, two, live = np.full_like(whole, math.log(languages)), two + math.log(2), 1
    return Entropies(
        all=whole / (live * math.log(languages)),
        pairs=two / (live * math.log(2)),
        neurons=own,
        above=above,
    )


def _product(p: Floats) -> Floats:
    """p ln p, 0 at 0."""
    found: Floats = p * np.log(np.maximum(p, _TINY))
    return found


def _entropy(total: Floats, product: Floats, languages: int) -> Floats:
    """ln(sum p) - (sum p ln p) / sum p, from the two sums over languages.

    A neuron active in none of them tells them apart no more than one that is active alike: ln K.
    """
    some = np.maximum(total, _TINY)
    found = np.maximum(np.log(some) - product / some, 0)
    return np.where(total > 0, found, np.float32(math.log(languages)))
