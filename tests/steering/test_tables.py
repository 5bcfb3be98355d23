import numpy as np
import pytest
import torch

from profiles.profile import ModelIdentity, Profile
from steering.capacity import Capacity
from steering.errors import CapacityError, EngineError
from steering.request import SteeringRequest
from steering.tables import Tables
from tests.steering.combined import combined


def tables(columns=(16, 16, 16), shard=(0, 32), layers=(0, 1, 2), memories=16, rows=4) -> Tables:
    capacity = Capacity(
        columns=tuple(columns),
        memories=memories,
        keys=True,
        hidden_size=4,
        intermediate_size=32,
    )
    return Tables(capacity, layers=list(layers), shard=shard, rows=rows)


def dense(made: Tables, layer: int, row: int, width: int = 32) -> np.ndarray:
    """[2, width]: add and scale of every neuron of the shard, as the edit would apply them."""
    layer_tables = made.layers[layer]
    out = np.zeros((2, width), dtype=np.float32)
    out[0, layer_tables.columns.numpy()] = layer_tables.add[row].numpy()
    out[1, layer_tables.columns.numpy()] = layer_tables.scale[row].numpy()
    return out


def added(made: Tables, layer: int, row: int) -> list[float]:
    """What is added to the layer's output where all memories of the row are on by 1."""
    return (made.bank.on[row] @ made.bank.layers[layer].value).tolist()


def test_a_row_holds_what_the_profile_says(make_edit, make_profile) -> None:
    made = tables()
    profile = make_profile("de", make_edit({(0, 30): (2.0, -1.0), (2, 3): (1.0, 0.5)}, {1: 7.0}))
    made.write_row(1, combined(made.load(profile)))
    expected = np.zeros((2, 32), dtype=np.float32)
    expected[:, 30] = 2.0, -1.0
    np.testing.assert_array_equal(dense(made, 0, 1), expected)
    assert dense(made, 2, 1)[:, 3].tolist() == [1.0, 0.5]
    assert added(made, 1, 1) == [7.0] * 4
    assert added(made, 0, 1) == [0.0] * 4


def test_columns_stay_distinct_and_tensors_stay_in_place(make_edit, make_profile) -> None:
    made = tables()
    before = {layer: t.columns.data_ptr() for layer, t in made.layers.items()}
    for i in range(4):
        neurons = {(layer, (5 * i + n) % 32): (1.0, 0.0) for layer in range(3) for n in range(4)}
        made.load(make_profile("de", make_edit(neurons)))
        for layer, layer_tables in made.layers.items():
            listed = layer_tables.columns.tolist()
            assert len(set(listed)) == len(listed)
            assert layer_tables.columns.data_ptr() == before[layer]


def test_loading_more_leaves_rows_in_use_as_they_were(make_edit, make_profile) -> None:
    made = tables()
    first = make_profile("de", make_edit({(0, 20): (2.0, -1.0), (0, 3): (4.0, 0.0)}))
    made.write_row(1, combined(made.load(first)))
    before = dense(made, 0, 1)
    made.load(make_profile("ja", make_edit({(0, n): (9.0, 9.0) for n in range(10)})))
    np.testing.assert_array_equal(dense(made, 0, 1), before)


def test_rewriting_a_row_leaves_nothing_behind(make_edit, make_profile) -> None:
    made = tables()
    de = made.load(make_profile("de", make_edit({(0, 1): (2.0, -1.0)}, {0: 3.0})))
    ja = made.load(make_profile("ja", make_edit({(0, 2): (5.0, 0.0)})))
    made.write_row(1, combined(de))
    made.write_row(1, combined(ja))
    assert dense(made, 0, 1)[:, 1].tolist() == [0.0, 0.0]
    assert dense(made, 0, 1)[:, 2].tolist() == [5.0, 0.0]
    assert added(made, 0, 1) == [0.0] * 4


def test_a_row_has_of_each_profile_the_role_asked_for(make_edit, make_profile) -> None:
    made = tables()
    offset = make_edit(offsets={1: 16.0})
    memories = [{1: (3.0, -0.5, value)} for value in (1.0, 2.0, 4.0, 8.0)]
    toward = [make_edit(memories=memories[n]) for n in (0, 1)]
    away = [
        make_edit({(0, 1): values}, memories=memories[n])
        for n, values in ((2, (2.0, -1.0)), (3, (4.0, 0.0)))
    ]
    de = made.load(make_profile("de", toward[0], away[0]))
    ja = made.load(make_profile("ja", toward[1], away[1]))
    zh = made.load(make_profile("zh", suppress=offset))
    for combination, sum_, neuron in [
        (combined(de, ja, zh), 25.0, [4.0, 0.0]),
        (combined(ja, de), 6.0, [2.0, -1.0]),
        (combined("", de, ja), 12.0, [3.0, -0.5]),
        (combined("", de), 4.0, [2.0, -1.0]),
    ]:
        made.write_row(2, combination)
        assert added(made, 1, 2) == [sum_] * 4
        assert dense(made, 0, 2)[:, 1].tolist() == neuron
    assert not made.bank.on[[0, 1, 3]].any()


def test_two_shards_together_hold_the_whole_edit(make_edit, make_profile) -> None:
    rng = np.random.default_rng(0)
    neurons = {(0, int(n)): (float(n), -1.0) for n in rng.choice(32, 12, replace=False)}
    profile = make_profile("de", make_edit(neurons, {0: 7.0}))
    whole, low, high = tables(), tables(shard=(0, 16)), tables(shard=(16, 32))
    for made in (whole, low, high):
        made.write_row(1, combined(made.load(profile)))
    parts = np.concatenate([dense(low, 0, 1, 16), dense(high, 0, 1, 16)], axis=1)
    np.testing.assert_array_equal(parts, dense(whole, 0, 1))
    # The output is whole on each rank.
    assert [added(made, 0, 1) for made in (whole, low, high)] == [[7.0] * 4] * 3


def test_a_pipeline_stage_holds_its_own_layers(make_edit, make_profile) -> None:
    made = tables(layers=(2,))
    edit = make_edit({(0, 1): (1.0, 0.0), (2, 3): (2.0, 0.0)}, {0: 5.0, 2: 6.0})
    made.write_row(1, combined(made.load(make_profile("de", edit))))
    assert made.layers.keys() == made.bank.layers.keys() == {2}
    assert dense(made, 2, 1)[0, 3] == 2.0
    assert added(made, 2, 1) == [6.0] * 4


def test_what_does_not_fit_is_refused_whole(make_edit, make_profile) -> None:
    made = tables(columns=(16, 4, 16))
    too_many = {(layer, n): (1.0, 0.0) for layer in (0, 1) for n in range(5)}
    with pytest.raises(CapacityError, match=r"needs 5 edited neurons in layer 1.*room for 4"):
        made.load(make_profile("de", make_edit(too_many, {0: 1.0})))
    one = make_edit({(0, 1): (1.0, 0.0)}, {0: 1.0}, {0: (1.0, 0.0, 1.0)})
    few = tables(memories=1)
    with pytest.raises(CapacityError, match=r"profile de@.* needs 2 memories a layer and 1 of 1"):
        few.load(make_profile("de", one))
    for each in (made, few):
        assert each.profiles == []
        assert each.columns_taken == [0, 0, 0]
        assert each.bank.taken == 0


def test_unloading_frees_memories_and_columns_others_do_not_use(make_edit, make_profile) -> None:
    made = tables()
    edit = make_edit({(0, 1): (1.0, 0.0), (0, 2): (1.0, 0.0)}, {0: 1.0})
    de = made.load(make_profile("de", edit))
    ja = made.load(make_profile("ja", make_edit({(0, 2): (5.0, 0.0)})))
    made.unload(de)
    assert made.columns_taken == [1, 0, 0]
    assert made.bank.taken == 0
    made.write_row(1, combined(ja))
    assert dense(made, 0, 1)[0, 2] == 5.0
    made.unload("unknown")


def test_loading_twice_changes_nothing(make_edit, make_profile) -> None:
    made = tables()
    profile = make_profile("de", make_edit({(0, 1): (1.0, 0.0)}, {0: 1.0}))
    assert made.load(profile) == made.load(profile)
    assert made.columns_taken == [1, 0, 0]
    assert made.bank.taken == 1


def test_errors_say_what_is_loaded_and_what_lacks(make_edit, make_profile) -> None:
    made = tables()
    de = made.load(make_profile("de", make_edit({(0, 1): (1.0, 0.0)}, {0: 1.0})))
    made.write_row(1, combined(de))
    for combination, said in [
        (combined("f" * 64), f"not loaded.*{de[:12]}"),
        (combined("", de), "has no suppress edit"),
        (combined(de, "f" * 64), "not loaded"),
    ]:
        with pytest.raises(EngineError, match=said):
            made.write_row(1, combination)
        assert added(made, 0, 1) == [1.0] * 4  # left as it was
    other = ModelIdentity(
        name="o",
        architecture="A",
        layers=3,
        hidden_size=8,
        intermediate_size=32,
        tokenizer="",
        weights="",
    )
    foreign = Profile(language="de", model=other, target=make_edit({(0, 1): (1.0, 0.0)}))
    with pytest.raises(EngineError, match="hidden"):
        made.load(foreign)


def test_columns_are_int64_and_rows_start_at_zero() -> None:
    made = tables()
    assert made.layers[0].columns.dtype == torch.int64
    assert not made.layers[0].add.any()


def test_edits_of_several_strengths_in_one_row(make_edit, make_profile) -> None:
    made = tables()
    edit = make_edit({(0, 1): (2.0, -1.0)}, {1: 7.0})
    de = made.load(make_profile("de", edit))
    ja = made.load(
        make_profile(
            "ja", make_edit({(0, 2): (5.0, 0.0)}), make_edit({(0, 3): (4.0, 0.5)}, {1: 2.0})
        )
    )
    request = SteeringRequest(target=de, suppress=(ja,), suppress_strengths=(0.5,), strength=3.0)
    made.write_row(1, request.combination)
    assert dense(made, 0, 1)[:, 1].tolist() == [6.0, -3.0]
    assert dense(made, 0, 1)[:, 3].tolist() == [2.0, 0.25]
    assert added(made, 1, 1) == [22.0] * 4
    assert request.row_strength == 1.0
