from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from profiles.finding import average_precision as module
from profiles.finding.average_precision import average_precision


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
    dtype=st.sampled_from([np.float32, np.float16]),
)
def test_equals_scikit_learn(
    seed: int, sentences: int, languages: int, levels: int, dtype: type
) -> None:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(languages), rng.integers(0, languages, sentences)])
    # Few levels: heavy ties; zero in both signs, as ReLU and rounding make them.
    responses = (rng.integers(-levels, levels + 1, (len(labels), 7)) / levels).astype(dtype)
    responses *= rng.choice(np.array([-1, 1], dtype), 7)
    got = average_precision(responses, labels, languages)
    np.testing.assert_allclose(got, _reference(responses, labels, languages), atol=1e-6)


def test_by_hand() -> None:
    # Highest first: de, en, de, en. de: (1/1 + 2/3) / 2; en: (1/2 + 2/4) / 2.
    responses = np.array([[4], [3], [2], [1]], np.float32)
    got = average_precision(responses, np.array([0, 1, 0, 1]), 2)
    np.testing.assert_allclose(got[:, 0], [5 / 6, 1 / 2], rtol=1e-6)
    # All alike: one threshold, precision = the language's share.
    got = average_precision(0 * responses, np.array([0, 1, 1, 1]), 2)
    np.testing.assert_allclose(got[:, 0], [1 / 4, 3 / 4], rtol=1e-6)


def test_half_precision_equals_single_on_the_same_values() -> None:
    rng = np.random.default_rng(2)
    halves = np.concatenate(
        [rng.normal(size=(60, 20)), rng.choice([0.0, -0.0, 6e-8, -6e-8, 65504, -65504], (60, 20))],
        axis=1,
    ).astype(np.float16)
    labels = np.arange(60) % 3
    np.testing.assert_array_equal(
        average_precision(halves, labels, 3),
        average_precision(halves.astype(np.float32), labels, 3),
    )


def test_responses_may_stay_in_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    responses = rng.normal(size=(30, 50)).astype(np.float16)
    responses.tofile(tmp_path / "r")
    mapped = np.memmap(tmp_path / "r", np.float16, "r", shape=(30, 50))
    labels = np.arange(30) % 2
    np.testing.assert_array_equal(
        average_precision(mapped, labels, 2), average_precision(responses, labels, 2)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_chunks_agree(monkeypatch: pytest.MonkeyPatch, dtype: type) -> None:
    rng = np.random.default_rng(1)
    responses = rng.normal(size=(40, 30)).astype(dtype)
    labels = np.arange(40) % 4
    whole = average_precision(responses, labels, 4)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 8 * 40 * 7)
    np.testing.assert_array_equal(average_precision(responses, labels, 4), whole)


def test_bad_input_is_refused() -> None:
    responses = np.ones((4, 2), np.float32)
    labels = np.array([0, 0, 1, 1])
    with pytest.raises(ValueError, match="labels have shape"):
        average_precision(responses, labels[:3], 2)
    with pytest.raises(ValueError, match="needs a sentence"):
        average_precision(responses, labels, 3)
    with pytest.raises(ValueError, match="float64"):
        average_precision(responses.astype(np.float64), labels, 2)  # type: ignore[arg-type]
    responses[1, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        average_precision(responses, labels, 2)
