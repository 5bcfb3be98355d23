"""Language activation probability entropy, LAPE (Tang et al., ACL 2024). Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Lape:
    """What `lape` finds.

    Attributes:
        entropy: float32 [layers, neurons], nats: 0 for a neuron active in one language only,
            ln(languages) for one active alike in all; inf for one that is rarely active in any.
        bar: the share of tokens above which a neuron counts as active in a language.
        above: bool [languages, layers, neurons], where the share is above the bar.
        chosen: bool [languages, layers, neurons], each language's neurons: those of low entropy
            that are above the bar in it. A neuron may be of several languages, or of none.
    """

    entropy: Floats
    bar: float
    above: NDArray[np.bool_]
    chosen: NDArray[np.bool_]

    def scores(self) -> Floats:
        """float32 [languages, layers, neurons], in 0..ln(languages), the more specific the higher.

        ln(languages) - entropy above the bar, 0 elsewhere: a language's best scores are its
        `chosen`, and the ones that a larger share would add come next.
        """
        gained = math.log(len(self.above)) - self.entropy[None]
        return np.where(self.above, np.maximum(gained, 0), 0).astype(np.float32)


def lape(active: Floats, *, share: float = 0.01, percentile: float = 95.0) -> Lape:
    """Neurons whose activity is spread over few languages.

    With p_k the share of language k's tokens on which the neuron is active (section 3.2):
    p'_k = p_k / sum_k p_k and H = -sum_k p'_k ln p'_k. Neurons whose p_k is above the bar, a
    percentile of all p, in no language are dropped; of the others the `share` of all neurons
    with the lowest H is kept, and each of those goes to every k with p_k above the bar. Ranks are
    rounded as in the released code; of equal entropies the first neuron is taken.

    Args:
        active: [languages, layers, neurons], p, in 0..1; see `Activations.token_active`.
        share: of all neurons, in 0..1.
        percentile: of all p, in 0..100.

    Raises:
        ValueError: a shape or a value is out of its range.
    """
    if active.ndim != 3 or len(active) < 2:
        raise ValueError(f"active has shape {active.shape}, expected [languages >= 2, layers, n]")
    if not ((active >= 0) & (active <= 1)).all():
        raise ValueError("active holds values outside 0..1, or NaN")
    if not (0 <= share <= 1 and 0 <= percentile <= 100):
        raise ValueError(f"share {share} must be in 0..1 and percentile {percentile} in 0..100")
    entropy = _entropy(active)
    bar = _bar(active, percentile)
    above = active > bar
    entropy[~above.any(axis=0)] = np.inf
    lowest = np.zeros(entropy.size, np.bool_)
    lowest[np.argsort(entropy, axis=None, kind="stable")[: round(share * entropy.size)]] = True
    # A dropped neuron that still ranks, because too few are left, is above the bar nowhere.
    return Lape(
        entropy=entropy.astype(np.float32),
        bar=bar,
        above=above,
        chosen=above & lowest.reshape(entropy.shape),
    )


def _entropy(active: Floats) -> NDArray[np.float64]:
    total = active.sum(axis=0, dtype=np.float64)
    # In place, language by language: the array is the largest one there is.
    entropy = np.zeros(total.shape)
    for p in active:
        normed = np.divide(p, total, out=np.zeros(total.shape), where=total > 0)
        logs = np.log(normed, out=np.zeros(total.shape), where=normed > 0)
        entropy -= normed * logs
    return entropy


def _bar(active: Floats, percentile: float) -> float:
    """The smallest value that `percentile` of all values do not exceed (torch's kthvalue)."""
    rank = max(1, round(percentile / 100 * active.size))
    return float(np.partition(active, rank - 1, axis=None)[rank - 1])
