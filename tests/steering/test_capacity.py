import pytest
import torch

from steering.capacity import Capacity, plan, sized
from steering.tables import Tables


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
    assert (planned["memories"], planned["keys"]) == (16, False)


def test_without_edits_of_outputs_these_are_left_alone(make_edit, make_profile) -> None:
    planned = plan([make_profile("de", make_edit({(0, 1): (1.0, 0.0)}))], memory_headroom=99)
    assert (planned["memories"], planned["keys"]) == (0, False)


def test_memories_are_all_that_every_profile_and_role_adds(make_edit, make_profile) -> None:
    """An offset is one too; how many layers it has does not matter. In whole registers."""
    both = make_edit(offsets={0: 1.0, 2: 1.0}, memories={1: (1.0, 0.0, 2.0)})
    de = make_profile("de", both, make_edit(memories={0: (1.0, 0.0, 2.0)}))
    ja = make_profile("ja", make_edit(offsets={1: 1.0}))
    for headroom, memories in ((0, 16), (12, 16), (13, 32)):
        planned = plan([de, ja], memory_headroom=headroom)
        assert (planned["memories"], planned["keys"]) == (memories, True)


def test_it_survives_the_trip_through_json(make_edit, make_profile) -> None:
    planned = plan([make_profile("de", make_edit({(0, 1): (1.0, 0.0)}))])
    assert Capacity.from_config(planned).to_config() == planned


def test_bad_input_is_named(make_edit, make_profile) -> None:
    with pytest.raises(ValueError, match="no profiles"):
        plan([])
    for name in ("headroom", "memory_headroom"):
        with pytest.raises(ValueError, match=f"^{name} is -1"):
            plan([make_profile("de", make_edit({(0, 1): (1.0, 0.0)}))], **{name: -1})
    with pytest.raises(ValueError, match="colums"):
        Capacity.from_config({"colums": []})


def bytes_of(tables: Tables) -> int:
    """What the tensors of a worker's tables really take."""
    held: list[torch.Tensor | None] = [tables.bank.on]
    for layer in tables.layers.values():
        held += [layer.columns, layer.add, layer.scale]
    for memories in tables.bank.layers.values():
        held += [memories.key, memories.bias, memories.value]
    return sum(tensor.nbytes for tensor in held if tensor is not None)


@pytest.mark.parametrize("keys", [True, False])
@pytest.mark.parametrize("memories", [0, 16, 48])
@pytest.mark.parametrize("columns", [(0, 0, 0), (16, 0, 32), (64, 64, 64)])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_the_bytes_are_those_of_real_tables(keys, memories, columns, ranks) -> None:
    capacity = Capacity(
        columns=columns, memories=memories, keys=keys, hidden_size=24, intermediate_size=64
    )
    shard = (64 // ranks * (ranks - 1), 64)
    tables = Tables(capacity, layers=[0, 1, 2], shard=shard, rows=9)
    assert capacity.device_bytes(9, tensor_ranks=ranks) == bytes_of(tables)


def test_the_bytes_by_hand() -> None:
    """Twelve languages towards and away at 8B, 256 sequences: docs/operations.md's 34 MB."""
    made = sized(edited=[0] * 32, memories=24, keys=True, hidden_size=4096, intermediate_size=14336)
    assert made.memories == 32
    on, keys_and_values, biases = 257 * 32 * 4, 32 * 32 * 2 * 4096 * 4, 32 * 32 * 4
    assert made.device_bytes(257) == on + keys_and_values + biases == 33_591_424
