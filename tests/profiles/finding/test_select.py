from __future__ import annotations

import numpy as np

from profiles.finding.select import select_best, select_extremes, select_strongest


def test_extremes_are_the_top_and_bottom_half() -> None:
    scores = np.array([0.5, 0.9, 0.1, 0.7, 0.2, 0.6], np.float32)
    assert select_extremes(scores, 4).tolist() == [1, 2, 3, 4]
    assert select_extremes(scores, 3).tolist() == [1, 2, 3]
    assert select_extremes(scores, 99).tolist() == [0, 1, 2, 3, 4, 5]


def test_best_and_strongest() -> None:
    scores = np.array([0.5, -0.9, 0.1, 0.7], np.float32)
    assert select_best(scores, 2).tolist() == [0, 3]
    assert select_strongest(scores, 2).tolist() == [1, 3]
    assert select_best(np.zeros(3, np.float32), 2).tolist() == [0, 1]
