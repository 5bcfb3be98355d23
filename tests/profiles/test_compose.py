import numpy as np
import pytest

from profiles.compose import Composed, compose
from profiles.errors import ProfileError
from profiles.profile import Edit, MemoryEdit


def listed(composed: Composed) -> dict[tuple[int, int], tuple[float, float]]:
    return {
        (layer, neuron): (add, scale)
        for layer, one in composed.neurons.items()
        for neuron, add, scale in zip(
            one.neuron.tolist(), one.add.tolist(), one.scale.tolist(), strict=True
        )
    }


def test_the_targets_neurons_win_over_suppressed_ones(make_edit) -> None:
    target = make_edit({(0, 1): (5.0, -1.0)})
    away = make_edit({(0, 1): (9.0, -1.0), (2, 3): (1.0, 0.0)})
    composed = compose(target, [away])
    assert listed(composed) == {(0, 1): (5.0, -1.0), (2, 3): (1.0, 0.0)}


def test_neurons_shared_by_suppressed_languages_take_the_mean(make_edit) -> None:
    composed = compose(None, [make_edit({(0, 1): (1.0, -1.0)}), make_edit({(0, 1): (3.0, 0.0)})])
    assert listed(composed) == {(0, 1): (2.0, -0.5)}


def test_neurons_of_a_layer_are_in_order_whatever_the_edits_order(make_edit) -> None:
    target = make_edit({(1, 9): (1.0, 0.0), (0, 5): (2.0, 0.0), (1, 2): (3.0, 0.0)})
    away = make_edit({(1, 4): (4.0, -1.0), (1, 9): (7.0, 0.0)})
    composed = compose(target, [away])
    assert list(composed.neurons) == [0, 1]
    assert composed.neurons[1].neuron.tolist() == [2, 4, 9]
    assert composed.neurons[1].add.tolist() == [3.0, 4.0, 1.0]
    assert composed.neurons[1].add.dtype == composed.neurons[1].scale.dtype == np.float32


def test_nothing_is_composed_of_nothing() -> None:
    composed = compose(None, [])
    assert composed.neurons == composed.offsets == {}


def test_offsets_add_up(make_edit) -> None:
    composed = compose(
        make_edit(offsets={0: 1.0}), [make_edit(offsets={0: 0.5}), make_edit(offsets={2: 4.0})]
    )
    assert composed.offsets.keys() == {0, 2}
    np.testing.assert_array_equal(composed.offsets[0], np.full(4, 1.5, np.float32))


def test_composing_does_not_change_the_profiles_arrays(make_edit) -> None:
    target, away = make_edit(offsets={0: 1.0}), make_edit(offsets={0: 0.5})
    compose(target, [away])
    compose(target, [away])
    assert target.offsets.value.tolist() == [[1.0] * 4]


def memories() -> Edit:
    return Edit(
        memories=MemoryEdit(
            layer=np.array([2, 0], np.int32),
            key=np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32),
            bias=np.array([0.5, -0.5], np.float32),
            value=np.array([[1, 1, 1, 1], [2, 2, 2, 2]], np.float32),
        )
    )


def test_memories_are_the_targets_and_stand_beside_offsets(make_edit) -> None:
    composed = compose(memories(), [make_edit(offsets={2: 4.0})])
    assert {*composed.memories} == {0, 2}
    assert composed.memories[0].key.tolist() == [5, 6, 7, 8]
    assert composed.memories[0].bias == -0.5
    assert composed.memories[2].value.tolist() == [1, 1, 1, 1]
    assert {*composed.offsets} == {2}


def test_an_edits_factor_is_on_values_and_not_on_keys() -> None:
    twice = memories().times(2.0).memories
    assert twice
    assert twice.value.tolist() == [[2, 2, 2, 2], [4, 4, 4, 4]]
    assert twice.key.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert twice.bias.tolist() == [0.5, -0.5]


def test_a_suppress_edit_has_no_memories(make_profile) -> None:
    with pytest.raises(ProfileError, match="only a target has memories"):
        make_profile("de", target=memories(), suppress=memories())
