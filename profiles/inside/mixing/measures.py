"""What maps say, as numbers: mixing ratios, changes of a map, pairs, languages of sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.inside.mixing.maps import Array, LayerMaps


def mixing_ratio(maps: LayerMaps) -> Array:
    """r_i = ‖Σ_{j≠i} x_{i←j}‖ / (‖Σ_{j≠i} x_{i←j}‖ + ‖x_{i←i}‖), [scopes, T].

    Of the first token, which has no context, it is 0. Kobayashi et al. (2021), equation 8.
    """
    return np.asarray(_over(maps.context, maps.context + maps.own))


def edit_share(maps: LayerMaps) -> Array:
    """The edit's norm over those of context, own token and edit, [scopes, T]."""
    return np.asarray(_over(maps.edit, maps.edit + maps.context + maps.own))


def change(before: Array, after: Array, columns: NDArray[np.bool_] | None = None) -> float | None:
    """1 − Spearman's rank correlation of two maps' entries; 0 where the order is the same, up to 2.

    Args:
        before, after: [T, T]; only entries on and below the diagonal count.
        columns: bool [T], sources that count; all by default.

    Returns:
        None where fewer than three pairs count, or either map is flat.
    """
    counted = np.tri(len(before), dtype=bool)
    if columns is not None:
        counted &= columns[None]
    one, other = before[counted], after[counted]
    if len(one) < 3:
        return None
    x, y = (ranks - ranks.mean() for ranks in (_ranks(one), _ranks(other)))
    size = float(np.sqrt((x @ x) * (y @ y)))
    return None if size == 0 else max(0.0, 1 - float(x @ y) / size)


def shares(norms: Array) -> Array:
    """A map whose rows sum to one: of all that reaches a target, what each source sends."""
    return np.asarray(_over(norms, norms.sum(-1, keepdims=True)))


def pairs(before: Array, after: Array, count: int) -> tuple[list[Any], list[Any]]:
    """The pairs of tokens most amplified and most reduced from one map to another.

    By the difference of `shares` among a target's context, its own token left out: norms of two
    scopes are in different units, and what becomes of the own token is the mixing ratio's to say.

    Returns:
        Two lists of (target, source, share before, share after), strongest first; at most `count`
        each, and only differences of the right sign.
    """
    one, other = (shares(np.tril(norms, -1)) for norms in (before, after))
    difference = other - one
    order = np.argsort(difference, axis=None, kind="stable")

    def listed(flat: NDArray[np.int64], sign: int) -> list[Any]:
        found = (divmod(int(n), len(one)) for n in flat)
        return [
            (i, j, float(one[i, j]), float(other[i, j]))
            for i, j in found
            if sign * difference[i, j] > 0
        ]

    return listed(order[::-1][:count], 1), listed(order[:count], -1)


def context_by_language(norms: Array, languages: Sequence[str | None]) -> dict[str, float]:
    """By language of the source, the mean share of what reaches a target from its context.

    Args:
        norms: [T, T]; a target's own token and tokens without a language are no one's.
        languages: of each token; None for special ones.

    Returns:
        Shares that sum to one over languages and tokens without one; targets without context are
        left out.
    """
    context = np.tril(norms, -1)
    rows = context.sum(-1) > 0
    share = shares(context)[rows]
    tags = [*dict.fromkeys(tag for tag in languages if tag)]
    columns = {tag: np.array([language == tag for language in languages]) for tag in tags}
    if not rows.any():
        return dict.fromkeys(tags, 0.0)
    return {tag: float(share[:, mine].sum(-1).mean()) for tag, mine in columns.items()}


def _ranks(values: Array) -> Array:
    """Ranks from 0, equal values sharing their mean."""
    _, which, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return np.asarray((ends - (count + 1) / 2)[which])


def _over(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)
