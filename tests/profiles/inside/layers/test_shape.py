from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from profiles.inside.layers.shape import shape


def test_by_hand() -> None:
    values = torch.tensor([[0, 0, -5, 0], [2, -2, 2, 2], [0, 0, 0, 0], [3, 0, -4, 0]]).float()
    sparsity, flatness = shape(values)
    # The last: l1 = 7, l2 = 5; q = 3/7, 4/7.
    entropy = -(3 / 7 * math.log(3 / 7) + 4 / 7 * math.log(4 / 7))
    np.testing.assert_allclose(sparsity, [1, 0, 1, (2 - 7 / 5) / (2 - 1)], atol=1e-6)
    np.testing.assert_allclose(flatness, [0, 1, 0, entropy / math.log(4)], atol=1e-6)


def test_equals_plain_float64_at_any_scale() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 5, 200)) * 10.0 ** rng.integers(-6, 6, (3, 5, 1))
    x[rng.random(x.shape) < 0.3] = 0
    got = shape(torch.from_numpy(x).float())
    for at in np.ndindex(3, 5):
        size = [abs(float(v)) for v in x[at]]
        total, norm = sum(size), math.sqrt(sum(v * v for v in size))
        hoyer = (math.sqrt(200) - total / norm) / (math.sqrt(200) - 1)
        entropy = -sum(v / total * math.log(v / total) for v in size if v)
        assert float(got[0][at]) == pytest.approx(hoyer, abs=1e-5)
        assert float(got[1][at]) == pytest.approx(entropy / math.log(200), abs=1e-5)
