from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.finding.difference import LARGEST, difference, standardized_difference


def test_difference_weighs_languages_alike() -> None:
    mean = np.array([[6.0, 0], [1, 0], [3, 6]], np.float32)
    assert difference(mean).tolist() == [[4, -3], [-3.5, -3], [-0.5, 6]]
    with pytest.raises(ValueError, match="1 languages"):
        difference(mean[:1])


def test_two_languages_by_hand() -> None:
    # Means 3 and 1, variances 1 and 7: d = 2 / sqrt((1 + 7) / 2) = 1.
    mean = np.array([[[3.0]], [[1.0]]], np.float32)
    std = np.sqrt(np.array([[[1.0]], [[7.0]]], np.float32))
    got = standardized_difference(mean, std)
    np.testing.assert_allclose(got[:, 0, 0], [1, -1], rtol=1e-6)


def test_three_languages_by_hand() -> None:
    # The others: means 0 and 4, variances 1 and 3: mean 2, variance 2 + 4 = 6.
    mean = np.array([[[5.0]], [[0.0]], [[4.0]]], np.float32)
    std = np.sqrt(np.array([[[2.0]], [[1.0]], [[3.0]]], np.float32))
    got = standardized_difference(mean, std)
    assert got[0, 0, 0] == pytest.approx((5 - 2) / np.sqrt((2 + 6) / 2))


def test_constant_neurons() -> None:
    mean = np.array([[[0.0, 2.0, -1.0]], [[0.0, 1.0, 1.0]]], np.float32)
    got = standardized_difference(mean, np.zeros_like(mean))
    assert got[0, 0].tolist() == [0, LARGEST, -LARGEST]
    with pytest.raises(ValueError, match="shape"):
        standardized_difference(mean, mean[:, :, :2])


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    languages=st.integers(2, 5),
    shift=st.floats(-10, 10),
    factor=st.floats(0.1, 10),
)
def test_equals_the_definition_on_samples(
    seed: int, languages: int, shift: float, factor: float
) -> None:
    """On as many tokens of each language: Cohen's d of the pooled tokens, and no unit matters."""
    rng = np.random.default_rng(seed)
    tokens = rng.normal(size=(languages, 40, 3)) * rng.uniform(0.5, 2, (languages, 1, 3))
    tokens += rng.normal(size=(languages, 1, 3))

    def scores(x: np.ndarray) -> np.ndarray:
        mean, std = x.mean(axis=1)[:, None], x.std(axis=1)[:, None]
        return standardized_difference(mean.astype(np.float32), std.astype(np.float32))[:, 0]

    got = scores(tokens)
    for k in range(languages):
        rest = np.delete(tokens, k, axis=0).reshape(-1, 3)
        pooled = np.sqrt((tokens[k].var(axis=0) + rest.var(axis=0)) / 2)
        want = (tokens[k].mean(axis=0) - rest.mean(axis=0)) / pooled
        np.testing.assert_allclose(got[k], want, atol=1e-4)
    np.testing.assert_allclose(scores(factor * tokens + shift), got, atol=1e-3)
