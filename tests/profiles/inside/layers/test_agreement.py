from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from profiles.inside.layers import agreement as module
from profiles.inside.layers.agreement import agreement

PAIRS = [(0, 1), (0, 2), (1, 2)]


def _plain(x: np.ndarray, lines: list[int], top: int) -> dict[str, list[float]]:
    """Every measure of the pairs by loops over the lines of a draw, in float64."""
    x = x.astype(np.float64)

    def rho(a: int, s: int, b: int, t: int) -> float:
        return float(spearmanr(x[a, s], x[b, t]).statistic)

    def apart(a: int, b: int) -> float:
        return float(np.mean([rho(a, s, b, t) for s in lines for t in lines if s != t]))

    found: dict[str, list[float]] = {"jaccard": [], "correlation": [], "gap": [], "gain": []}
    for a, b in PAIRS:
        sets = [{*np.argsort(-abs(x[k, lines].mean(0)))[:top].tolist()} for k in (a, b)]
        found["jaccard"].append(len(sets[0] & sets[1]) / len(sets[0] | sets[1]))
        aligned = float(np.mean([rho(a, s, b, s) for s in lines]))
        found["correlation"].append(aligned)
        found["gap"].append((apart(a, a) + apart(b, b)) / 2 - apart(a, b))
        found["gain"].append(aligned - apart(a, b))
    return found


@pytest.mark.parametrize("block", [64 << 20, 1])
def test_equals_plain_loops_in_every_draw(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", block)
    rng = np.random.default_rng(0)
    meaning, language = rng.standard_normal((1, 6, 12)), rng.standard_normal((3, 1, 12))
    x = (meaning + language + 0.5 * rng.standard_normal((3, 6, 12))).astype(np.float32)
    x[:, :, 3] = 0  # a tie with whatever else is 0
    x[:, :, 4] = 0
    draws = [[0, 0, 1, 2, 5, 5], [1, 2, 3, 3, 3, 4]]
    weights = np.array([np.bincount(d, minlength=6) for d in draws], np.float32)
    found = agreement(x, weights, PAIRS, top=0.25)
    wants = [_plain(x, lines, top=3) for lines in ([*range(6)], *draws)]
    for name in wants[0]:
        value, drawn = getattr(found, name)
        for got, want in zip((value, *drawn), wants, strict=True):
            np.testing.assert_allclose(got, want[name], atol=1e-5, err_msg=name)


def test_by_hand() -> None:
    # One language's units are the other's, in reverse; both lines are alike.
    x = np.array([[[1, 2, 3]] * 2, [[3, 2, 1]] * 2], np.float32)
    found = agreement(x, np.ones((1, 2), np.float32), [(0, 1)], top=0.34)
    assert found.correlation[0].tolist() == pytest.approx([-1])
    assert found.gap[0].tolist() == pytest.approx([2])
    assert found.gain[0].tolist() == pytest.approx([0], abs=1e-6)
    assert found.jaccard[0].tolist() == [0]
    assert agreement(x, np.ones((1, 2), np.float32), [(0, 1)], top=1).jaccard[0].tolist() == [1]
