"""Ranks of units within sentences, such that a product of two is Spearman's correlation. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Floats


def standard_ranks(values: Floats) -> NDArray[np.float32]:
    """Ranks along the last axis, ties sharing their mean rank, centred and of length 1.

    The inner product of two such rows is Spearman's rank correlation of the values. A row whose
    values are all alike has no ranks: it becomes zeros, uncorrelated with everything.

    Args:
        values: [..., units].
    """
    units = values.shape[-1]
    flat = values.reshape(-1, units)
    order = np.argsort(flat, axis=1)
    sorted_ = np.take_along_axis(flat, order, axis=1)
    same = sorted_[:, 1:] == sorted_[:, :-1]
    middle = np.float32((units - 1) / 2)
    place = np.arange(units, dtype=np.float32)[None] - middle
    ranks = np.empty(flat.shape, np.float32)
    np.put_along_axis(ranks, order, np.broadcast_to(place, flat.shape), axis=1)
    if (tied := same.any(axis=1)).any():
        some = ranks[tied]
        np.put_along_axis(some, order[tied], _mean_places(same[tied]) - middle, axis=1)
        ranks[tied] = some
    length = np.sqrt(np.einsum("ru,ru->r", ranks, ranks, dtype=np.float64))[:, None]
    ranks /= np.where(length > 0, length, 1).astype(np.float32)
    out: NDArray[np.float32] = ranks.reshape(values.shape)
    return out


def _mean_places(same: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mean index of each entry's group of equals; `same[i]`: entries i and i+1 are equal."""
    rows, units = same.shape[0], same.shape[1] + 1
    at = np.arange(units, dtype=np.int32)
    first, last = np.empty((rows, units), np.int32), np.empty((rows, units), np.int32)
    first[:, 0] = 0
    first[:, 1:] = np.where(same, 0, at[1:])
    last[:, -1] = units - 1
    last[:, :-1] = np.where(same, units - 1, at[:-1])
    first = np.maximum.accumulate(first, axis=1)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    out: NDArray[np.float32] = ((first + last) / 2).astype(np.float32)
    return out
