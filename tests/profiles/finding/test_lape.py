from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.finding.lape import lape


def test_by_hand() -> None:
    # Neurons: of one language; alike in both; 3:1; rare; dead.
    active = np.array([[[0.8, 0.9, 0.6, 0.1, 0.0]], [[0.0, 0.9, 0.2, 0.0, 0.0]]], np.float32)
    found = lape(active, share=0.4, percentile=50)
    # Ten values: the fifth smallest is 0.1.
    assert found.bar == pytest.approx(0.1)
    quarters = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    want = [0, math.log(2), quarters, math.inf, math.inf]
    np.testing.assert_allclose(found.entropy[0], want, rtol=1e-6)
    # The two of lowest entropy; the second is above the bar in both languages.
    assert found.chosen[:, 0].tolist() == [
        [True, False, True, False, False],
        [False, False, True, False, False],
    ]
    gained = math.log(2) - quarters
    np.testing.assert_allclose(
        found.scores()[:, 0], [[math.log(2), 0, gained, 0, 0], [0, 0, gained, 0, 0]], atol=1e-6
    )


def test_a_dropped_neuron_is_never_chosen() -> None:
    active = np.zeros((2, 1, 4), np.float32)
    active[0, 0, 0] = 0.5
    found = lape(active, share=1.0, percentile=50)
    assert found.chosen.sum() == 1
    assert not lape(active, share=0.0).chosen.any()


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    languages=st.integers(2, 4),
    shape=st.tuples(st.integers(1, 3), st.integers(2, 40)),
)
def test_equals_the_recipe_in_torch(seed: int, languages: int, shape: tuple[int, int]) -> None:
    """The paper's steps one by one, with the rounding of kthvalue and topk."""
    rng = np.random.default_rng(seed)
    active = rng.beta(0.3, 1.5, (languages, *shape)).astype(np.float32)
    p = torch.from_numpy(active).double().movedim(0, -1)
    normed = p / p.sum(-1, keepdim=True)
    entropy = -(normed * normed.clamp_min(1e-300).log()).sum(-1)
    flat = torch.from_numpy(active).flatten()
    bar = flat.kthvalue(max(1, round(0.95 * len(flat)))).values
    entropy[~(p > bar).any(-1)] = torch.inf
    index = entropy.flatten().topk(round(0.1 * entropy.numel()), largest=False).indices
    want = {
        (k, int(i)) for i in index for k in range(languages) if p.reshape(-1, languages)[i, k] > bar
    }
    found = lape(active, share=0.1)
    np.testing.assert_allclose(found.entropy, entropy.numpy(), atol=1e-5)
    ks, places = np.nonzero(found.chosen.reshape(languages, -1))
    assert {*zip(ks.tolist(), places.tolist(), strict=True)} == want


def test_the_best_scores_are_the_chosen() -> None:
    active = np.random.default_rng(0).beta(0.3, 1.5, (4, 3, 200)).astype(np.float32)
    found = lape(active, share=0.05)
    scores = found.scores()
    for chosen, score in zip(found.chosen, scores, strict=True):
        assert chosen.any()
        assert score[chosen].min() >= score[~chosen].max()
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("active", "share", "message"),
    [
        (np.zeros((1, 2, 3)), 0.01, "shape"),
        (np.zeros((2, 3)), 0.01, "shape"),
        (np.full((2, 1, 2), 1.5), 0.01, r"outside 0\.\.1"),
        (np.full((2, 1, 2), np.nan), 0.01, "NaN"),
        (np.zeros((2, 1, 2)), 2.0, "share 2"),
    ],
)
def test_bad_input_is_refused(active: np.ndarray, share: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lape(active.astype(np.float32), share=share)
