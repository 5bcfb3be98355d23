from __future__ import annotations

import math

import numpy as np
import pytest

from profiles.finding.lape import lape
from profiles.inside.layers import probability as module
from profiles.inside.layers.probability import LIVE, entropies, probabilities

PAIRS = [(0, 1), (0, 2), (1, 2)]


def _entropy(p: list[float]) -> float:
    shares = [x / sum(p) for x in p] if sum(p) else [1 / len(p)] * len(p)
    return -sum(x * math.log(x) for x in shares if x)


@pytest.mark.parametrize("block", [2 << 20, 1])
def test_equals_plain_loops_in_every_draw(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", block)
    rng = np.random.default_rng(1)
    tokens = rng.integers(5, 30, (3, 8))
    active = rng.integers(0, 5, (3, 8, 20)).astype(np.float16)
    active[:, :, :2] = 0  # silent
    active[0, :, 5] = 0  # silent in one
    draws = [[0, 0, 1, 2, 3, 5, 6, 7], [4] * 8]
    weights = np.array([np.bincount(d, minlength=8) for d in draws], np.float32)
    candidates = np.array([0, 5, 11, 19])
    found = entropies(active, tokens, weights, PAIRS, candidates, bar=0.1)
    whole = [*range(8)]
    live = [
        n
        for n in range(20)
        if max(active[k, :, n].sum() / tokens[k].sum() for k in range(3)) >= LIVE
    ]
    assert live == [*range(2, 20)]
    for draw, lines in enumerate([whole, *draws]):
        p = [
            [
                float(active[k, lines, n].astype(float).sum() / tokens[k, lines].sum())
                for k in range(3)
            ]
            for n in range(20)
        ]
        want = np.mean([_entropy(p[n]) for n in live]) / math.log(3)
        assert found.all[draw] == pytest.approx(want, abs=1e-5)
        for i, pair in enumerate(PAIRS):
            two = np.mean([_entropy([p[n][k] for k in pair]) for n in live]) / math.log(2)
            assert found.pairs[draw, i] == pytest.approx(two, abs=1e-5)
        own = [_entropy(p[n]) for n in candidates]
        np.testing.assert_allclose(found.neurons[draw], own, atol=1e-5)
        above = np.array([[p[n][k] > 0.1 for n in candidates] for k in range(3)])
        np.testing.assert_array_equal(found.above[draw], above)


def test_neurons_entropies_are_lapes() -> None:
    rng = np.random.default_rng(2)
    tokens = np.full((2, 4), 10)
    active = rng.integers(1, 10, (2, 4, 30)).astype(np.float16)
    once = np.ones((1, 4), np.float32)
    p = probabilities(active, tokens, once)
    want = lape(p, percentile=0)
    found = entropies(active, tokens, once, [(0, 1)], np.arange(30), want.bar)
    kept = np.isfinite(want.entropy[0])
    np.testing.assert_allclose(found.neurons[0][kept], want.entropy[0][kept], atol=1e-6)
    assert found.pairs[0, 0] == pytest.approx(found.all[0])


def test_a_layer_where_nothing_is_active_tells_no_languages_apart() -> None:
    silent = np.zeros((2, 3, 4), np.float16)
    weights = np.ones((2, 3), np.float32)
    found = entropies(silent, np.ones((2, 3), np.int64), weights, [(0, 1)], np.arange(0), 0.5)
    assert found.all.tolist() == [1, 1, 1]
    assert found.pairs.tolist() == [[1], [1], [1]]
