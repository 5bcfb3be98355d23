from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from profiles.finding.score import SCORES, score_neurons

LANGUAGES, LAYERS, WIDTH = 3, 2, 10


@pytest.fixture
def activations() -> Any:
    """Neuron (k % 2, k) belongs to language k, in every statistic there is."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(LANGUAGES), 20).astype(np.int32)
    means = rng.normal(size=(60, LAYERS, WIDTH)).astype(np.float32)
    shape = (LANGUAGES, LAYERS, WIDTH)
    token_mean = rng.normal(0, 0.01, shape).astype(np.float32)
    active = rng.uniform(0.3, 0.31, shape).astype(np.float32)
    for k in range(LANGUAGES):
        means[labels == k, k % 2, k] += 9
        token_mean[k, k % 2, k] += 9
        active[:, k % 2, k] = 0.001
        active[k, k % 2, k] = 0.99
    return SimpleNamespace(
        languages=("de", "en", "fr"),
        labels=labels,
        means=means,
        token_mean=token_mean,
        token_std=np.ones(shape, np.float32),
        token_active=active,
    )


@pytest.mark.parametrize("score", SCORES)
def test_each_score_ranks_a_languages_own_neuron_first(score: Any, activations: Any) -> None:
    scores = score_neurons(score, activations, attribute=lambda _language, scale: scale)
    assert scores.shape == (LANGUAGES, LAYERS, WIDTH)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    for k in range(LANGUAGES):
        assert int(scores[k].argmax()) == (k % 2) * WIDTH + k


def test_attribution_is_asked_by_language(activations: Any) -> None:
    seen = []

    def attribute(language: str, scale: np.ndarray) -> np.ndarray:
        seen.append(language)
        return scale

    score_neurons("attribution", activations, attribute)
    assert seen == ["de", "en", "fr"]


@pytest.mark.parametrize("score", ["attribution", "no-such"])
def test_what_cannot_be_scored_is_refused(score: Any, activations: Any) -> None:
    with pytest.raises(ValueError, match=score):
        score_neurons(score, activations)
