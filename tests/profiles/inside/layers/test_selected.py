from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score

from profiles.finding.lape import lape
from profiles.inside.layers.readings import Readings
from profiles.inside.layers.resample import resamples
from profiles.inside.layers.selected import best_detectors, most_specific


def _readings(lines: int, layers: int, width: int) -> Readings:
    """Two languages; units answer to the second one, the more so the later the layer."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2 * lines, layers, width)).astype(np.float32)
    x[lines:] += np.linspace(0.2, 1.5, layers)[:, None] * rng.standard_normal((1, width))
    return Readings(
        languages=("de", "en"),
        lines=lines,
        tokens=np.ones((2, lines), np.int64),
        responses={"detectors": x, "combinators": x[:, :, :2]},
        active=np.zeros((2 * lines, layers, width), np.float16),
        shapes={},
        output_norms=np.ones(layers),
    )


def test_best_detectors_are_average_precisions_and_vary_as_when_all_is_scored_anew() -> None:
    lines, layers, width = 60, 4, 25
    readings = _readings(lines, layers, width)
    weights = resamples(lines, 60)
    value, draws, chosen = best_detectors(readings, "detectors", weights, share=0.2)
    flat = readings.responses["detectors"].reshape(2 * lines, -1)
    english = readings.labels == 1
    scores = np.array([average_precision_score(english, column) for column in flat.T])
    best = np.argsort(-scores, kind="stable")[:20]
    assert chosen[1].tolist() == sorted(best.tolist())
    np.testing.assert_allclose(value[1], np.bincount(best // width, minlength=layers) / 20)
    np.testing.assert_allclose(value.sum(1), 1)
    np.testing.assert_allclose(draws.sum(2), 1, rtol=1e-6)
    exact = []
    for w in weights:
        both = np.tile(w, 2).astype(float)
        scores = np.array(
            [average_precision_score(english, column, sample_weight=both) for column in flat.T]
        )
        best = np.argsort(-scores, kind="stable")[:20]
        exact.append(np.bincount(best // width, minlength=layers) / 20)
    # One of 20 is 0.05: to first order draws agree within that in the mean and in their spread.
    assert np.abs(np.mean(exact, 0) - draws[:, 1].mean(0)).max() < 0.05
    assert np.abs(np.std(exact, 0) - draws[:, 1].std(0)).max() < 0.02
    assert np.abs(np.array(exact) - draws[:, 1]).mean() < 0.02


def test_most_specific_are_lapes() -> None:
    rng = np.random.default_rng(0)
    active = rng.beta(0.3, 1.5, (3, 4, 50)).astype(np.float32)
    found = lape(active, share=0.1)
    near = np.sort(np.argsort(found.entropy, axis=None, kind="stable")[:60])
    layer, neuron = np.divmod(near, 50)
    entropy = found.entropy[layer, neuron][None].repeat(3, 0)
    above = found.above[:, layer, neuron][None].repeat(3, 0)
    entropy[2], above[2] = 1.0, False  # a draw in which nothing is above the bar
    value, draws = most_specific(entropy, above, layer, 4, 20)
    counts = found.chosen.sum(axis=2)
    np.testing.assert_allclose(value, counts / counts.sum(axis=1, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(draws[0], value, rtol=1e-6)
    assert not draws[1].any()
