import pytest

from steering.capacity import Capacity, plan


def test_columns_are_the_union_over_profiles_and_roles(make_edit, make_profile) -> None:
    de = make_profile("de", make_edit({(0, n): (1.0, 0.0) for n in range(10)}))
    zh = make_profile(
        "zh",
        make_edit({(0, n): (1.0, 0.0) for n in range(5, 15)}),
        make_edit({(0, n): (1.0, 0.0) for n in range(12, 18)}),
    )
    assert plan([de, zh], headroom=0)["columns"] == [32, 0, 0]
    assert plan([de], headroom=0)["columns"] == [16, 0, 0]


def test_headroom_reaches_every_layer_but_not_past_the_width(make_edit, make_profile) -> None:
    de = make_profile("de", make_edit({(0, 1): (1.0, 0.0)}))
    assert plan([de], headroom=20)["columns"] == [32, 32, 32]
    assert plan([de], headroom=10_000)["columns"] == [32, 32, 32]


def test_without_neuron_edits_the_activation_is_left_alone(make_edit, make_profile) -> None:
    planned = plan([make_profile("de", make_edit(offsets={1: 1.0}))])
    assert planned["columns"] == [0, 0, 0]
    assert planned["offsets"] is True


def test_memories_have_room_only_where_a_profile_has_one(make_edit, make_profile) -> None:
    with_memory = make_profile("de", make_edit(memories={1: (1.0, 0.0, 2.0)}))
    planned = plan([make_profile("ja", make_edit(offsets={1: 1.0})), with_memory])
    assert (planned["offsets"], planned["memories"]) == (True, True)
    alone = plan([with_memory])
    assert (alone["columns"], alone["offsets"], alone["memories"]) == ([0, 0, 0], False, True)
    assert plan([make_profile("ja", make_edit(offsets={1: 1.0}))])["memories"] is False


def test_it_survives_the_trip_through_json(make_edit, make_profile) -> None:
    planned = plan([make_profile("de", make_edit({(0, 1): (1.0, 0.0)}))])
    assert Capacity.from_config(planned).to_config() == planned


def test_bad_input_is_named(make_edit, make_profile) -> None:
    with pytest.raises(ValueError, match="no profiles"):
        plan([])
    with pytest.raises(ValueError, match="headroom is -1"):
        plan([make_profile("de", make_edit({(0, 1): (1.0, 0.0)}))], headroom=-1)
    with pytest.raises(ValueError, match="colums"):
        Capacity.from_config({"colums": []})
