from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from profiles.finding import scores
from profiles.finding.scores import average_precision


def _reference(responses: np.ndarray, labels: np.ndarray, languages: int) -> np.ndarray:
    return np.array(
        [
            [average_precision_score(labels == k, column) for column in responses.T]
            for k in range(languages)
        ]
    )


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sentences=st.integers(5, 60),
    languages=st.integers(1, 5),
    levels=st.sampled_from([1, 2, 3, 10, 10**6]),
)
def test_equals_scikit_learn(seed: int, sentences: int, languages: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(languages), rng.integers(0, languages, sentences)])
    # Few levels: heavy ties; zero in both signs, as ReLU and rounding make them.
    responses = (rng.integers(-levels, levels + 1, (len(labels), 7)) / levels).astype(np.float32)
    responses *= rng.choice(np.array([-1, 1], np.float32), 7)
    got = average_precision(responses, labels, languages)
    np.testing.assert_allclose(got, _reference(responses, labels, languages), atol=1e-6)


def test_chunks_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    responses = rng.normal(size=(40, 30)).astype(np.float32)
    labels = np.arange(40) % 4
    whole = average_precision(responses, labels, 4)
    monkeypatch.setattr(scores, "_CHUNK_BYTES", 8 * 40 * 7)
    np.testing.assert_array_equal(average_precision(responses, labels, 4), whole)


def test_bad_input_is_refused() -> None:
    responses = np.ones((4, 2), np.float32)
    labels = np.array([0, 0, 1, 1])
    with pytest.raises(ValueError, match="labels have shape"):
        average_precision(responses, labels[:3], 2)
    with pytest.raises(ValueError, match="needs a sentence"):
        average_precision(responses, labels, 3)
    responses[1, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        average_precision(responses, labels, 2)
