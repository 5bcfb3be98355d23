"""How much each sentence moves an average precision: its first-order change with weights. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Floats


def influence(
    responses: Floats, positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(average precision [neurons], its derivatives by sentences' weights [sentences, neurons]).

    With weights w, r_i and p_i the weight of the positives and of all sentences that respond at
    least as strongly as sentence i, AP = Σ_{i positive} w_i r_i / p_i / Σ_{i positive} w_i (see
    `average_precision`, where every w is 1). To first order a resample changes AP by
    Σ_s (w_s − 1) ∂AP/∂w_s: the infinitesimal jackknife. Sorting every draw anew would take
    minutes; a product with the derivatives takes no time.

    Args:
        responses: [sentences, neurons].
        positive: [sentences], of the language; at least one is.
    """
    count, neurons = responses.shape
    order = np.argsort(-responses, axis=0, kind="stable")
    value = np.take_along_axis(responses, order, axis=0)
    positives = int(positive.sum())
    mine = positive[order]  # [sentences, neurons], by rank
    above = np.cumsum(mine, axis=0, dtype=np.float64)
    at = np.arange(count)[:, None]
    new = np.ones((count, neurons), np.bool_)  # begins a group of equal responses
    new[1:] = value[1:] != value[:-1]
    first = np.maximum.accumulate(np.where(new, at, 0), axis=0)
    ends = np.ones((count, neurons), np.bool_)
    ends[:-1] = new[1:]
    last = np.minimum.accumulate(np.where(ends, at, count - 1)[::-1], axis=0)[::-1]
    r, p = np.take_along_axis(above, last, axis=0), last + 1.0
    score = np.where(mine, r / p, 0).sum(axis=0) / positives
    # Sentence s is in r_i and p_i of every i of its group and below it.
    below = _from_below(np.where(mine, 1 / p, 0), first)
    below_all = _from_below(np.where(mine, r / p**2, 0), first)
    change = np.where(mine, r / p - score + below, 0) - below_all
    out = np.empty((count, neurons))
    np.put_along_axis(out, order, change / positives, axis=0)
    return score, out


def _from_below(values: NDArray[np.float64], first: NDArray[np.integer]) -> NDArray[np.float64]:
    sums = np.cumsum(values[::-1], axis=0)[::-1]
    return np.take_along_axis(sums, first, axis=0)
