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
    # A neuron's sentences side by side: sorting and adding up along them is several times faster.
    rows = np.ascontiguousarray(responses.T)
    count = rows.shape[1]
    order = np.argsort(-rows, axis=1)
    value = np.take_along_axis(rows, order, axis=1)
    positives = int(positive.sum())
    mine = positive[order]  # [neurons, sentences], by rank
    above = np.cumsum(mine, axis=1, dtype=np.float64)
    at = np.broadcast_to(np.arange(count), rows.shape)
    new = np.ones(rows.shape, np.bool_)  # begins a group of equal responses
    new[:, 1:] = value[:, 1:] != value[:, :-1]
    tied = not new.all()
    first = last = at
    r = above
    if tied:
        first = np.maximum.accumulate(np.where(new, at, 0), axis=1)
        ends = np.ones(rows.shape, np.bool_)
        ends[:, :-1] = new[:, 1:]
        last = np.minimum.accumulate(np.where(ends, at, count - 1)[:, ::-1], axis=1)[:, ::-1]
        r = np.take_along_axis(above, last, axis=1)
    p = last + 1.0
    precision = np.where(mine, r / p, 0)
    score = precision.sum(axis=1) / positives
    # Sentence s is in r_i and p_i of every i of its group and below it.
    below, below_all = (_from_here(part) for part in (np.where(mine, 1 / p, 0), precision / p))
    if tied:
        below, below_all = (np.take_along_axis(b, first, axis=1) for b in (below, below_all))
    change = np.where(mine, r / p - score[:, None] + below, 0) - below_all
    out = np.empty(rows.shape)
    np.put_along_axis(out, order, change / positives, axis=1)
    return score, out.T


def _from_here(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums from each entry to the end."""
    return np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
