"""Places for memories and offsets of all profiles, and which of them a row has."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.profile import Profile
from steering.capacity import Capacity
from steering.errors import CapacityError
from steering.memory_bank import MemoryBank
from steering.request import Part

LAYERS = (0, 1, 2)
KEY, NONE = (3.0, -0.5, 2.0), (0.0, 0.0, 0.0)  # key, bias, value, as `make_edit` takes them


def bank(memories: int = 4, *, keys: bool = True, layers: tuple[int, ...] = LAYERS) -> MemoryBank:
    capacity = Capacity(
        columns=(0,) * 3, memories=memories, keys=keys, hidden_size=4, intermediate_size=32
    )
    return MemoryBank(capacity, layers=layers, rows=3)


def has(made: MemoryBank, row: int, layer: int) -> list[tuple[float, ...]]:
    """(key, bias, value) of every memory that is on in the row, each vector being one number."""
    assert {*made.on[row].tolist()} <= {0.0, 1.0}
    held = made.layers[layer]
    assert held.key is not None
    assert held.bias is not None
    found = []
    for place in made.on[row].nonzero().flatten().tolist():
        (key,), (value,) = ({*table[place].tolist()} for table in (held.key, held.value))
        found.append((key, held.bias[place].item(), value))
    return sorted(found)


def pointers(made: MemoryBank) -> list[int]:
    tensors = [tensor for held in made.layers.values() for tensor in vars(held).values()]
    return [tensor.data_ptr() for tensor in (made.on, *tensors) if tensor is not None]


@pytest.fixture
def de(make_edit: Any, make_profile: Any) -> Profile:
    """Towards: an offset and a memory, layers in no order. Away: a memory."""
    toward = make_edit(offsets={2: 7.0, 0: 6.0}, memories={1: KEY, 0: (4.0, 0.25, 5.0)})
    profile: Profile = make_profile("de", toward, make_edit(memories={1: (-1.0, 1.5, -2.0)}))
    return profile


@pytest.fixture
def ja(make_edit: Any, make_profile: Any) -> Profile:
    """Away only, by an offset."""
    profile: Profile = make_profile("ja", suppress=make_edit(offsets={1: 9.0}))
    return profile


def test_a_row_has_what_was_asked_of_each_profile_and_nothing_else(
    de: Profile, ja: Profile
) -> None:
    made = bank()
    made.load(de)
    made.load(ja)
    assert made.taken == 4
    assert not made.on.any()
    toward, away, other = (
        Part(de.content_hash, "target", 1.0),
        Part(de.content_hash, "suppress", 1.0),
        Part(ja.content_hash, "suppress", 1.0),
    )
    made.write_row(1, [toward, other])
    made.write_row(2, [away, other])
    assert has(made, 1, 0) == sorted([(4.0, 0.25, 5.0), (0.0, 0.0, 6.0), NONE])
    assert has(made, 1, 1) == sorted([KEY, NONE, (0.0, 0.0, 9.0)])
    assert has(made, 1, 2) == sorted([NONE, (0.0, 0.0, 7.0), NONE])
    assert has(made, 2, 1) == sorted([(-1.0, 1.5, -2.0), (0.0, 0.0, 9.0)])
    made.write_row(1, [away])
    assert has(made, 1, 1) == [(-1.0, 1.5, -2.0)]
    assert has(made, 2, 1) == sorted([(-1.0, 1.5, -2.0), (0.0, 0.0, 9.0)])
    made.write_row(2, [])
    assert not made.on[[0, 2]].any()


def test_the_next_profile_takes_the_places_and_nothing_of_the_last_is_left(
    de: Profile, ja: Profile, make_edit: Any, make_profile: Any
) -> None:
    made = bank()
    before = pointers(made)
    made.load(de)
    made.load(ja)
    made.write_row(1, [Part(ja.content_hash, "suppress", 1.0)])
    made.unload(de.content_hash)
    assert made.taken == 1
    made.write_row(
        2, [Part(de.content_hash, "target", 1.0), Part(de.content_hash, "suppress", 1.0)]
    )
    assert not made.on[2].any()
    edit = make_edit(offsets={0: 1.0}, memories={2: KEY})
    zh = make_profile("zh", edit, make_edit(offsets={1: 8.0}))
    made.load(zh)
    assert made.taken == 4
    made.write_row(2, [Part(zh.content_hash, role, 1.0) for role in ("target", "suppress")])
    for layer, one in enumerate([(0.0, 0.0, 1.0), (0.0, 0.0, 8.0), KEY]):
        assert has(made, 2, layer) == sorted([one, NONE, NONE])
    assert has(made, 1, 1) == [(0.0, 0.0, 9.0)]  # as before, while others went and came
    assert pointers(made) == before
    made.unload("unknown")
    assert made.taken == 4


def test_a_stage_has_the_places_of_every_layer_and_the_memories_of_its_own(de: Profile) -> None:
    made = bank(layers=(1,))
    made.load(de)
    assert (made.taken, made.layers.keys()) == (3, {1})
    made.write_row(1, [Part(de.content_hash, "target", 1.0)])
    assert has(made, 1, 1) == [NONE, KEY]


def test_more_than_the_free_places_is_refused(de: Profile, ja: Profile) -> None:
    made = bank(3)
    made.load(ja)
    said = "de needs 3 memories a layer and 2 of 3 are free; unload a profile, or .*-headroom"
    with pytest.raises(CapacityError, match=said):
        made.check(de, "de")
    made.unload(ja.content_hash)
    made.check(de, "de")


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"memories": 0}, "de edits FFN outputs and .* without room for it; restart"),
        ({"keys": False}, "de has FFN memories and .* without room for their keys; restart"),
    ],
)
def test_what_the_engine_was_not_started_for_is_refused(
    sizes: dict[str, Any], said: str, de: Profile, make_edit: Any, make_profile: Any
) -> None:
    made = bank(**sizes)
    with pytest.raises(CapacityError, match=said):
        made.check(de, "de")
    made.check(make_profile("en", make_edit({(0, 1): (1.0, 0.0)})), "en")  # adds nothing


def test_an_offset_needs_no_keys(ja: Profile) -> None:
    made = bank(1, keys=False)
    made.check(ja, "ja")
    made.load(ja)
    made.write_row(1, [Part(ja.content_hash, "suppress", 1.0)])
    assert (made.on[1] @ made.layers[1].value).tolist() == [9.0] * 4


def test_memory_is_taken_for_what_there_is_room_for() -> None:
    without_keys, nothing = bank(keys=False), bank(0)
    assert all(held.key is held.bias is None for held in without_keys.layers.values())
    assert [tuple(held.value.shape) for held in without_keys.layers.values()] == [(4, 4)] * 3
    assert (nothing.layers, nothing.on.numel(), nothing.taken) == ({}, 0, 0)
    nothing.write_row(1, [Part("a" * 64, "target", 1.0)])


def test_a_factor_is_on_the_rows_share_of_a_memory(ja: Profile) -> None:
    made = bank()
    made.load(ja)
    made.write_row(1, [Part(ja.content_hash, "suppress", 0.5)])
    made.write_row(2, [Part(ja.content_hash, "suppress", 3.0)])
    assert (made.on @ made.layers[1].value)[:, 0].tolist() == [0.0, 4.5, 27.0]
