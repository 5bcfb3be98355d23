from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from profiles.inside.layers.influence import influence


@pytest.mark.parametrize("levels", [3, 10**6])
def test_equals_the_derivative_of_weighted_average_precision(levels: int) -> None:
    """By central differences of scikit-learn's, in float64, with and without ties."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, levels, (12, 4)).astype(np.float32)
    positive = rng.random(12) < 0.4
    score, change = influence(x, positive)
    step = 1e-5
    for n in range(4):
        assert score[n] == pytest.approx(average_precision_score(positive, x[:, n]), abs=1e-9)
        for s in range(12):
            moved = []
            for sign in (1, -1):
                weights = np.ones(12)
                weights[s] += sign * step
                moved.append(average_precision_score(positive, x[:, n], sample_weight=weights))
            assert change[s, n] == pytest.approx((moved[0] - moved[1]) / (2 * step), abs=1e-6)


def test_a_perfect_detector_is_moved_by_nothing() -> None:
    x = np.array([[4], [3], [2], [1]], np.float32)
    score, change = influence(x, np.array([True, True, False, False]))
    assert score.tolist() == [1]
    assert not change.any()


def test_all_weights_together_change_nothing() -> None:
    """Average precision does not see how much all weigh: the derivatives add up to 0."""
    x = np.random.default_rng(3).standard_normal((30, 5)).astype(np.float32)
    _, change = influence(x, np.arange(30) % 3 == 0)
    np.testing.assert_allclose(change.sum(0), 0, atol=1e-12)
