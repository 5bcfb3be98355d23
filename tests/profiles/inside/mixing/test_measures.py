"""Measures of maps, by hand and against scipy."""

from __future__ import annotations

import numpy as np
import pytest

from profiles.inside.mixing.maps import LayerMaps
from profiles.inside.mixing.measures import (
    change,
    context_by_language,
    edit_share,
    mixing_ratio,
    pairs,
    shares,
)


def _maps() -> LayerMaps:
    return LayerMaps(
        layer=0,
        scopes=("attention",),
        norms=np.array([[[2.0, 0, 0], [3, 1, 0], [1, 1, 2]]]),
        context=np.array([[0.0, 3, 2]]),
        edit=np.array([[0.0, 4, 0]]),
        completeness={},
    )


def test_ratios_by_hand() -> None:
    assert mixing_ratio(_maps()).tolist() == [[0, 0.75, 0.5]]
    assert edit_share(_maps()).tolist() == [[0, 0.5, 0]]


def test_no_change_where_the_order_stays_and_two_where_it_turns() -> None:
    one = np.tril(np.arange(1.0, 10).reshape(3, 3))
    assert change(one, one**3) == pytest.approx(0)
    assert change(one, np.tril(10 - one)) == pytest.approx(2)
    above = one + np.triu(np.full((3, 3), 99.0), 1)
    assert change(one, above) == pytest.approx(0)


def test_change_is_one_less_spearman_with_ties() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    one, other = (np.tril(rng.integers(1, 6, (8, 8))).astype(float) for _ in range(2))
    at = np.tril_indices(8)
    assert change(one, other) == pytest.approx(1 - stats.spearmanr(one[at], other[at]).statistic)
    columns = np.arange(8) % 2 == 0
    mine = np.tri(8, dtype=bool) & columns
    expected = 1 - stats.spearmanr(one[mine], other[mine]).statistic
    assert change(one, other, columns) == pytest.approx(expected)


def test_change_of_nothing_to_rank_is_none() -> None:
    flat = np.tri(4)
    assert change(flat, flat) is None
    assert change(flat[:1, :1], flat[:1, :1]) is None
    assert change(flat, flat, np.zeros(4, bool)) is None


def test_pairs_are_of_the_context_by_share() -> None:
    before = np.array([[9.0, 0, 0], [1, 9, 0], [1, 3, 9]])
    after = np.array([[5.0, 0, 0], [7, 5, 0], [6, 2, 5]])
    amplified, reduced = pairs(before, after, 5)
    assert amplified == [(2, 0, 0.25, 0.75)]
    assert reduced == [(2, 1, 0.75, 0.25)]
    assert pairs(before, 10 * before, 5) == ([], [])


def test_context_by_language_is_a_mean_over_targets_that_have_any() -> None:
    norms = np.array([[5.0, 0, 0, 0], [2, 5, 0, 0], [1, 3, 5, 0], [2, 1, 1, 5]])
    found = context_by_language(norms, [None, "en", "en", "de"])
    assert found["en"] == pytest.approx((0 + 0.75 + 0.5) / 3)
    assert found["de"] == 0
    assert context_by_language(np.eye(2), ["en", "de"]) == {"en": 0, "de": 0}


def test_shares_of_a_row_of_nothing_are_nothing() -> None:
    assert shares(np.array([[0.0, 0], [1, 3]])).tolist() == [[0, 0], [0.25, 0.75]]
