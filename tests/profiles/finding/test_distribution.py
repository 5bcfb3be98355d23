from __future__ import annotations

import numpy as np
import pytest

from profiles.finding.distribution import distribution

PARTS = (("q", 2), ("k", 1), ("o", 3))


def test_units_are_named_by_layer_projection_and_index() -> None:
    scores = np.arange(12, dtype=np.float32).reshape(2, 6) / 16
    found = distribution(scores, np.array([11, 8, 7, 6, 2]), PARTS)
    assert found["units"] == [
        [1, "o", 2, 0.6875],
        [1, "k", 0, 0.5],
        [1, "q", 1, 0.4375],
        [1, "q", 0, 0.375],
        [0, "k", 0, 0.125],
    ]
    assert found["per_layer"] == [1, 4]
    assert found["share_per_layer"] == [0.2, 0.8]
    assert found["share_per_projection"] == {"q": 0.4, "k": 0.4, "o": 0.2}


def test_parts_of_another_site_are_refused() -> None:
    with pytest.raises(ValueError, match="parts of 6 units, a layer has 5"):
        distribution(np.zeros((2, 5), np.float32), np.array([0]), PARTS)
