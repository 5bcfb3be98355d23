import numpy as np

from profiles.compose import compose


def test_the_targets_neurons_win_over_suppressed_ones(make_edit) -> None:
    target = make_edit({(0, 1): (5.0, -1.0)})
    away = make_edit({(0, 1): (9.0, -1.0), (2, 3): (1.0, 0.0)})
    composed = compose(target, [away])
    assert composed.neurons == {(0, 1): (5.0, -1.0), (2, 3): (1.0, 0.0)}


def test_neurons_shared_by_suppressed_languages_take_the_mean(make_edit) -> None:
    composed = compose(None, [make_edit({(0, 1): (1.0, -1.0)}), make_edit({(0, 1): (3.0, 0.0)})])
    assert composed.neurons == {(0, 1): (2.0, -0.5)}


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
