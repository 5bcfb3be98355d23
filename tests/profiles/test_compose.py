import numpy as np

from profiles.compose import Composed, compose
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
    assert composed.neurons == composed.offsets == composed.memories == {}


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


def test_memories_stand_beside_each_other_and_beside_offsets(make_edit) -> None:
    away = make_edit(memories={2: (9.0, 1.5, -3.0), 1: (0.0, 0.0, 7.0)})
    composed = compose(memories(), [make_edit(offsets={2: 4.0}), away])
    assert {*composed.memories} == {0, 1, 2}
    both = composed.memories[2]  # the target's first
    assert both.key.tolist() == [[1, 2, 3, 4], [9, 9, 9, 9]]
    assert both.bias.tolist() == [0.5, 1.5]
    assert both.value.tolist() == [[1, 1, 1, 1], [-3, -3, -3, -3]]
    assert composed.memories[0].key.tolist() == [[5, 6, 7, 8]]
    assert composed.memories[1].value.tolist() == [[7, 7, 7, 7]]
    assert {*composed.offsets} == {2}


def test_an_offset_as_a_memory_has_neither_key_nor_bias(make_edit) -> None:
    edit = make_edit(offsets={2: 4.0, 0: 5.0}, memories={1: (3.0, 1.5, 6.0)})
    offset, memory = edit.added()
    assert offset.layer.tolist() == [2, 0]
    assert offset.value.tolist() == [[4.0] * 4, [5.0] * 4]
    assert (offset.key.tolist(), offset.bias.tolist()) == ([[0.0] * 4] * 2, [0.0, 0.0])
    assert memory is edit.memories
    assert make_edit({(0, 1): (1.0, 0.0)}).added() == []


def test_an_edits_factor_is_on_values_and_not_on_keys() -> None:
    twice = memories().times(2.0).memories
    assert twice
    assert twice.value.tolist() == [[2, 2, 2, 2], [4, 4, 4, 4]]
    assert twice.key.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert twice.bias.tolist() == [0.5, -0.5]
