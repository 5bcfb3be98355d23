"""How alike two languages use the units of one layer: overlap and rank correlations. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiles.inside.layers.ranks import standard_ranks
from profiles.profile import Floats

Pairs = Sequence[tuple[int, int]]
Values = tuple[NDArray[np.float64], NDArray[np.float64]]  # [pairs], [draws, pairs]
_BLOCK_BYTES, _CACHE_BYTES = 64 << 20, 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Agreement:
    """Of one layer, each as ([pairs], [draws, pairs]).

    Attributes:
        jaccard: of the sets of units with the largest |mean response|.
        correlation: Spearman's, over the units, between a line and its translation; the mean over
            lines.
        gap: how much more alike two lines of one language are than a line of it and another line
            of the other language. Neither pair are translations: what is left is the language.
        gain: how much more alike a line and its translation are than a line and another line of
            the other language: what is left is the meaning.
    """

    jaccard: Values
    correlation: Values
    gap: Values
    gain: Values


def agreement(responses: Floats, weights: Floats, pairs: Pairs, top: float) -> Agreement:
    """Compare languages within one layer.

    Lines are taken a block at a time: beside the responses, what is needed is a few arrays of
    [draws, languages, units].

    Args:
        responses: [languages, lines, units], means over a line's tokens; may be memory-mapped.
        weights: float32 [draws, lines], see `resamples`.
        pairs: of languages, by index.
        top: share of the units whose overlap is taken, in 0..1; at least one unit.
    """
    languages, lines, units = responses.shape
    draws = len(weights)
    every = np.concatenate([np.ones((1, lines), np.float32), weights])  # the corpus is draw 0
    means = np.zeros((languages, draws + 1, units), np.float32)
    ranks = np.zeros_like(means)
    aligned = np.empty((len(pairs), lines))
    step = max(1, _BLOCK_BYTES // (4 * languages * units))
    for start in range(0, lines, step):
        some = slice(start, start + step)
        block = np.asarray(responses[:, some], np.float32)
        z = standard_ranks(block)
        for k in range(languages):
            means[k] += every[:, some] @ block[k]
            ranks[k] += every[:, some] @ z[k]
        for p, (a, b) in enumerate(pairs):
            aligned[p, some] = np.einsum("su,su->s", z[a], z[b], dtype=np.float64)
    correlation = every.astype(np.float64) @ aligned.T / lines  # [draws + 1, pairs]
    across, within = _unaligned(ranks, every, aligned, pairs)
    first, second = (np.array([pair[i] for pair in pairs]) for i in (0, 1))
    gap = (within[:, first] + within[:, second]) / 2 - across
    found = (_jaccard(means, pairs, top), correlation, gap, correlation - across)
    jaccard, spearman, language, meaning = ((x[0], x[1:]) for x in found)
    return Agreement(jaccard=jaccard, correlation=spearman, gap=language, gain=meaning)


def _unaligned(
    ranks: Floats, every: Floats, aligned: NDArray[np.float64], pairs: Pairs
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean correlation of two different lines: [draws, pairs] and, within a language, [.., K].

    A draw's sum over lines s and t of w_s w_t z_s . z'_t is a product of two sums; the lines
    paired with themselves (s = t, repeats that the draw holds included) are taken out of it.
    """
    lines = every.shape[1]
    square = every.astype(np.float64) ** 2
    others = lines**2 - square.sum(1)  # [draws]
    # A draw of one line only, a hundred times over, has no two lines; chance that never comes.
    others = np.maximum(others, 1)
    summed = ranks.transpose(1, 0, 2)  # [draws, languages, units]
    products = (summed @ summed.transpose(0, 2, 1)).astype(np.float64)
    across = np.stack(
        [products[:, a, b] - square @ aligned[p] for p, (a, b) in enumerate(pairs)], 1
    )
    # A line's ranks agree with themselves: 1, but 0 for rows without ranks, hence a bound.
    within = np.einsum("dkk->dk", products) - square.sum(1)[:, None]
    return across / others[:, None], np.clip(within / others[:, None], -1, 1)


def _jaccard(means: Floats, pairs: Pairs, top: float) -> NDArray[np.float64]:
    """[draws, pairs], of the largest |mean| of each language; equals are in or out together."""
    languages, draws, units = means.shape
    count = max(1, min(units, round(top * units)))
    out = np.empty((draws, len(pairs)))
    first, second = (np.array([pair[i] for pair in pairs]) for i in (0, 1))
    step = max(1, _CACHE_BYTES // (4 * languages * units))
    for start in range(0, draws, step):
        size = np.abs(means[:, start : start + step]).transpose(1, 0, 2)
        least = np.partition(size, units - count, axis=2)[:, :, units - count, None]
        # Units that are never active are nobody's most active ones, however few others there are.
        chosen = ((size >= least) & (size > 0)).astype(np.float32)
        shared = chosen @ chosen.transpose(0, 2, 1)  # [draws, languages, languages]
        own = np.einsum("dkk->dk", shared)
        both = shared[:, first, second]
        either = own[:, first] + own[:, second] - both
        out[start : start + step] = both / np.maximum(either, 1)
    return out
