"""Batches of many kinds of steering, and the arms that send them."""

from __future__ import annotations

import numpy as np
import pytest

from profiles.errors import ProfileError
from profiles.profile import Edit, ModelIdentity, OffsetEdit, Profile
from steering.bench.arms import STEERING, STOCK, STOCK_AGAIN, arms
from steering.bench.mix import combinations, mixed
from steering.bench.workload import Ask

MODEL = ModelIdentity(
    name="m",
    architecture="A",
    layers=1,
    hidden_size=2,
    intermediate_size=4,
    tokenizer="t" * 64,
    weights="w" * 64,
)


def profile(language: str, *roles: str) -> Profile:
    edit = Edit(
        offsets=OffsetEdit(layer=np.array([0], np.int32), value=np.ones((1, 2), np.float32))
    )
    return Profile(language=language, model=MODEL, provenance={}, **dict.fromkeys(roles, edit))


BOTH = [profile("de", "target", "suppress"), profile("zh", "target", "suppress")]


def test_every_kind_of_steering_is_another() -> None:
    made = combinations(BOTH, 32)
    assert len({request.fingerprint for request in made}) == 32
    assert {request.phase for request in made} == {"all", "decode"}
    assert {(bool(r.target), bool(r.suppress)) for r in made} == {
        (True, False),
        (False, True),
        (True, True),
    }
    assert min(r.strength for r in made) == 0.5
    assert max(r.strength for r in made) == 1.5
    # A table row is shared by what differs in strength and phase only.
    assert len({request.combination for request in made}) == 6


def test_only_edits_that_are_there_are_asked_for() -> None:
    made = combinations([profile("de", "target"), profile("zh", "suppress")], 8)
    assert {(bool(r.target), bool(r.suppress)) for r in made} == {
        (True, False),
        (True, True),
        (False, True),
    }
    (alone,) = combinations([profile("de", "target")], 1)
    assert (alone.strength, alone.suppress) == (0.5, ())


def test_no_profiles_are_an_error() -> None:
    with pytest.raises(ProfileError, match="no profiles"):
        combinations([], 4)


def test_a_mixed_batch_has_every_kind_and_unsteered_requests() -> None:
    kinds = combinations(BOTH, 32)
    batch = mixed(kinds, 40)
    assert [n for n, request in enumerate(batch) if request is None] == [
        4,
        9,
        14,
        19,
        24,
        29,
        34,
        39,
    ]
    assert [request for request in batch if request] == kinds


def test_all_arms_send_the_same_requests() -> None:
    kinds = combinations(BOTH, 4)
    sides = arms(kinds[0], mixed(kinds, 5), control=True)
    assert [arm.name for arm in sides] == ["stock", "stock again", "idle", "one", "mix"]
    assert [arm.engine for arm in sides] == [STOCK, STOCK_AGAIN, STEERING, STEERING, STEERING]
    assert [arm.steers for arm in sides] == [False, False, False, True, True]
    drawn = [Ask(prompt=[n], tokens=2) for n in range(5)]
    for arm in sides:
        assert [(ask.prompt, ask.tokens) for ask in arm.asks(drawn)] == [([n], 2) for n in range(5)]
    by_name = {arm.name: [ask.extra_args for ask in arm.asks(drawn)] for arm in sides}
    assert by_name["stock"] == by_name["idle"] == [None] * 5
    assert by_name["one"] == [kinds[0].to_extra_args()] * 5
    assert by_name["mix"] == [request.to_extra_args() for request in kinds] + [None]
    assert "4 kinds of steering, and 1 of 5" in sides[-1].about
    assert [arm.name for arm in arms(kinds[0], [None], control=False)] == [
        "stock",
        "idle",
        "one",
        "mix",
    ]
