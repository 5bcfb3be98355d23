from __future__ import annotations

import numpy as np

from profiles.finding.select import mean_difference, select_best, select_extremes, set_to_median


def test_extremes_are_the_top_and_bottom_half() -> None:
    scores = np.array([0.5, 0.9, 0.1, 0.7, 0.2, 0.6], np.float32)
    assert select_extremes(scores, 4).tolist() == [1, 2, 3, 4]
    assert select_extremes(scores, 3).tolist() == [1, 2, 3]
    assert select_extremes(scores, 99).tolist() == [0, 1, 2, 3, 4, 5]
    assert select_best(scores, 2).tolist() == [1, 3]


def test_medians_are_of_the_chosen_sentences_and_places() -> None:
    means = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    edit = set_to_median(means, np.array([1, 5]), np.array([True, True, True, False]))
    assert edit.layer.tolist() == [0, 1]
    assert edit.neuron.tolist() == [1, 2]
    assert edit.add.tolist() == [7, 11]
    assert edit.scale.tolist() == [-1, -1]


def test_mean_difference_against_the_others() -> None:
    output = np.array([[[1.0, 0]], [[3, 0]], [[5, 6]]], np.float32)
    edit = mean_difference(output, 2, [0], 2.0)
    assert edit.layer.tolist() == [0]
    assert edit.value.tolist() == [[6, 12]]
