from __future__ import annotations

import numpy as np

from profiles.finding.edits import (
    ablate,
    add_difference,
    offset_difference,
    scale_by,
    set_to_median,
)


def test_medians_are_of_the_chosen_sentences_and_places() -> None:
    means = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    edit = set_to_median(means, np.array([1, 5]), np.array([True, True, True, False]))
    assert edit.layer.tolist() == [0, 1]
    assert edit.neuron.tolist() == [1, 2]
    assert edit.add.tolist() == [7, 11]
    assert edit.scale.tolist() == [-1, -1]


def test_the_difference_of_the_chosen_neurons_is_added() -> None:
    token_mean = np.zeros((3, 2, 2), np.float32)
    token_mean[:, 1, 0] = [6, 1, 3]  # flat index 2
    edit = add_difference(token_mean, 0, np.array([1, 2]), gain=0.5)
    assert edit.layer.tolist() == [0, 1]
    assert edit.neuron.tolist() == [1, 0]
    assert edit.add.tolist() == [0, 2]
    assert edit.scale.tolist() == [0, 0]


def test_scaling_is_relative_to_what_is_there() -> None:
    edit = scale_by(np.array([0, 4]), 3, np.array([1.5, 0]))
    assert edit.scale.tolist() == [0.5, -1]
    assert edit.add.tolist() == [0, 0]
    assert scale_by(np.array([0, 4]), 3, 3).scale.tolist() == [2, 2]
    gone = ablate(np.array([4]), 3)
    y = 7.0
    assert y + gone.add[0] + gone.scale[0] * y == 0
    assert (gone.layer.tolist(), gone.neuron.tolist()) == ([1], [1])


def test_every_array_can_be_stored() -> None:
    for edit in (ablate(np.array([4, 5]), 3), scale_by(np.array([0]), 3, 2)):
        assert [a.dtype for a in (edit.layer, edit.neuron)] == [np.int32, np.int32]
        assert [a.dtype for a in (edit.add, edit.scale)] == [np.float32, np.float32]
        assert edit.add.flags.writeable


def test_offset_against_the_others() -> None:
    output = np.array([[[1.0, 0]], [[3, 0]], [[5, 6]]], np.float32)
    edit = offset_difference(output, 2, [0], 2.0)
    assert edit.layer.tolist() == [0]
    assert edit.value.tolist() == [[6, 12]]
    assert edit.value.dtype == np.float32
