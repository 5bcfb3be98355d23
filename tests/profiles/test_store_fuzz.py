"""Whatever is in a profile file, reading it gives a profile or a ProfileError."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from profiles import store
from profiles.errors import ProfileError
from profiles.profile import Edit, ModelIdentity, NeuronEdit, OffsetEdit, Profile
from tests.fuzz import cases

MODEL = ModelIdentity(
    name="tiny",
    architecture="TinyForCausalLM",
    layers=2,
    hidden_size=4,
    intermediate_size=8,
    tokenizer="t" * 64,
    weights="w" * 64,
)
_EDIT = Edit(
    neurons=NeuronEdit(
        layer=np.array([0, 1], np.int32),
        neuron=np.array([3, 5], np.int32),
        add=np.ones(2, np.float32),
        scale=np.zeros(2, np.float32),
    ),
    offsets=OffsetEdit(layer=np.array([1], np.int32), value=np.ones((1, 4), np.float32)),
)
GOOD = store.dumps(Profile(language="de", model=MODEL, target=_EDIT))
_LENGTH = int.from_bytes(GOOD[:8], "little")
HEAD = json.loads(GOOD[8 : 8 + _LENGTH])
META = json.loads(HEAD["__metadata__"]["langsteer"])
DATA = GOOD[8 + _LENGTH :]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


def reads(data: bytes) -> Profile | None:
    """The profile, or None where it is refused with a ProfileError; else the test fails."""
    try:
        found = store.loads(data, "f", MODEL)
        store.created(data, "f")
    except ProfileError as error:
        said = str(error)
    else:
        return found
    assert said.startswith("f")
    return None


def file(head: Any, data: bytes = DATA) -> bytes:
    raw = (head if isinstance(head, str) else json.dumps(head)).encode("utf-8", "surrogatepass")
    return len(raw).to_bytes(8, "little") + raw + data


def with_metadata(text: str) -> bytes:
    return file({**HEAD, "__metadata__": {"langsteer": text}})


@cases(300)
@given(data=st.binary(max_size=300))
@example(data=b"")
@example(data=b"\xff" * 9)
def test_random_bytes(data: bytes) -> None:
    reads(data)
    reads(len(data).to_bytes(8, "little") + data)


@cases(300)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6
    ),
    cut=st.none() | st.integers(0, len(GOOD)),
    more=st.binary(max_size=9),
)
def test_damaged_files(changes: list[tuple[int, int]], cut: int | None, more: bytes) -> None:
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    found = reads(bytes(data[:cut]) + more)
    if found is not None:
        # What steers is what it was: only what is informative can differ unnoticed.
        assert found.content_hash == META["content_hash"]


_tensors = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(
            ["F32", "I32", "F64", "BF16", "F16", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F4", "BOOL"]
        )
        | st.text(max_size=4),
        "shape": st.lists(st.integers(-1, 2**63) | st.integers(0, 4), max_size=3),
        "data_offsets": st.lists(st.integers(0, len(DATA)) | st.integers(), min_size=2, max_size=2),
    }
)


@cases(300)
@given(
    tensors=st.dictionaries(
        st.sampled_from(sorted(HEAD)) | st.text(max_size=9), _tensors, max_size=3
    ),
    keep=st.booleans(),
)
def test_hostile_tables_of_tensors(tensors: dict[str, Any], keep: bool) -> None:
    meta = {"__metadata__": HEAD["__metadata__"]}
    reads(file({**(HEAD if keep else {}), **tensors, **meta}))


@cases(300)
@given(
    changes=st.dictionaries(
        st.sampled_from(sorted(META)) | st.text(max_size=9), json_values, max_size=2
    ),
    model=st.dictionaries(st.sampled_from(sorted(META["model"])), json_values, max_size=2),
)
@example(changes={"language": "\ud800"}, model={})
@example(changes={}, model={"name": "\ud800"})
@example(changes={}, model={"layers": 10**400})
@example(changes={"format_version": 10**5000}, model={})
def test_hostile_metadata(changes: dict[str, Any], model: dict[str, Any]) -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        text = json.dumps({**META, "model": {**META["model"], **model}, **changes})
    finally:
        sys.set_int_max_str_digits(limit)
    reads(with_metadata(text))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "{}", "null", "9" * 10_000, '"\\ud800"']
)
def test_metadata_that_is_none(text: str) -> None:
    assert reads(with_metadata(text)) is None
    assert reads(file(text)) is None


@cases(200)
@given(
    arrays=st.dictionaries(
        st.sampled_from(sorted(set(HEAD) - {"__metadata__"})),
        st.sampled_from(["<f4", "<f8", "<i4", "<i8", "|b1", "<f2"]).flatmap(
            lambda kind: st.lists(st.integers(0, 3), max_size=3).map(
                lambda shape: np.ones(shape, kind)
            )
        ),
    )
)
def test_arrays_of_other_shapes_and_kinds(arrays: dict[str, Any]) -> None:
    data = save({**load(GOOD), **arrays}, metadata=HEAD["__metadata__"])
    found = reads(data)
    assert found is None or found.content_hash == META["content_hash"]


def test_the_good_one_is_good() -> None:
    assert reads(GOOD) is not None
