from __future__ import annotations

import numpy as np
import pytest

from profiles.inside.layers.resample import interval, resamples


def test_draws_are_as_long_as_the_corpus_and_repeatable() -> None:
    weights = resamples(30, 50)
    assert weights.shape == (50, 30)
    assert (weights.sum(1) == 30).all()
    np.testing.assert_array_equal(weights, resamples(30, 50))
    assert (weights != resamples(30, 50, seed=1)).any()
    with pytest.raises(ValueError, match="0 draws of 30 lines"):
        resamples(30, 0)


def test_the_interval_of_a_mean_is_the_textbooks() -> None:
    x = np.random.default_rng(0).standard_normal(400)
    draws = resamples(400, 4000) @ x / 400
    low, high = interval(np.array(x.mean()), draws)
    error = x.std() / 20
    assert float(low) == pytest.approx(x.mean() - 1.96 * error, abs=0.1 * error)
    assert float(high) == pytest.approx(x.mean() + 1.96 * error, abs=0.1 * error)


def test_an_interval_holds_its_value_though_draws_are_biased() -> None:
    low, high = interval(np.array([5.0, 1.0]), np.array([[1.0, 0], [2, 0], [3, 0]]))
    assert low.tolist() == pytest.approx([4.05, 1])
    assert high.tolist() == pytest.approx([5.95, 1])
