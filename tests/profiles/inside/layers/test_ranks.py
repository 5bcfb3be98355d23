from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from profiles.inside.layers.ranks import standard_ranks


def test_by_hand() -> None:
    ranks = standard_ranks(np.array([[3.0, 1, 2], [5, 5, 1], [7, 7, 7]], np.float32))
    root = np.sqrt(2)
    np.testing.assert_allclose(ranks[0], [1 / root, -1 / root, 0], atol=1e-6)
    # Two share the ranks 2 and 3.
    np.testing.assert_allclose(ranks[1], np.array([0.5, 0.5, -1]) / np.sqrt(1.5), atol=1e-6)
    assert not ranks[2].any()


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), units=st.integers(2, 50), levels=st.sampled_from([2, 5, 10**6])
)
def test_products_are_spearmans_correlation(seed: int, units: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-levels, levels, (2, units)).astype(np.float32)
    x[:, 0] = levels + 1  # so that no row is constant
    a, b = standard_ranks(x)
    want = spearmanr(*x.astype(np.float64)).statistic
    np.testing.assert_allclose(float(a @ b), want, atol=1e-5)
