import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steering.request import MAX_STRENGTH, PHASES, SteeringRequest

hashes = st.text("0123456789abcdef", min_size=4, max_size=8)
strengths = st.floats(0, MAX_STRENGTH, exclude_min=True)
given_alike = st.builds(
    SteeringRequest,
    target=hashes,
    suppress=st.lists(hashes, max_size=3).map(tuple),
    strength=strengths,
    phase=st.sampled_from(PHASES),
)
given_apart = st.builds(
    lambda away, **rest: SteeringRequest(
        suppress=tuple(away), suppress_strengths=tuple(away.values()), **rest
    ),
    away=st.dictionaries(hashes, strengths, max_size=3),
    target=hashes,
    strength=strengths,
    phase=st.sampled_from(PHASES),
)
reasonings = st.just("off") | st.builds(
    lambda request: replace(request, phase="decode"), given_alike | given_apart
)
requests = (
    given_alike
    | given_apart
    | st.builds(
        lambda request, reasoning: replace(request, phase="decode", reasoning=reasoning),
        given_alike | given_apart,
        reasonings,
    )
    | st.builds(
        lambda request: SteeringRequest(phase="decode", reasoning=request),
        reasonings.filter(lambda one: one != "off"),
    )
)


@given(requests)
def test_extra_args_round_trip(request: SteeringRequest) -> None:
    flat = request.to_extra_args()
    assert SteeringRequest.from_extra_args({**flat, "somebody_elses": 1}) == request
    # What vLLM's `vllm_xargs` admits: strings, numbers, lists of them.
    assert all(isinstance(v, str | float | list) for v in flat.values())


@given(requests, requests)
def test_equal_fingerprints_mean_equal_steering(a: SteeringRequest, b: SteeringRequest) -> None:
    assert (a.fingerprint == b.fingerprint) == (a == b)


def test_order_and_repeats_of_suppress_do_not_matter() -> None:
    a = SteeringRequest(suppress=("b", "a", "b"))
    assert a == SteeringRequest(suppress=("a", "b"))
    assert a.combination == (("a", "suppress", 1.0), ("b", "suppress", 1.0))


def test_one_strength_is_the_tokens_and_several_are_the_rows() -> None:
    given = {"target": "t", "suppress": ("b", "a"), "strength": 2.0}
    alike = SteeringRequest(**given, suppress_strengths=(2.0, 2.0))
    assert alike.combination == SteeringRequest(**given).combination
    assert alike.row_strength == 2.0
    apart = SteeringRequest(**given, suppress_strengths=(0.5, 3.0))
    assert (apart.suppress, apart.suppress_strengths) == (("a", "b"), (3.0, 0.5))
    assert apart.combination == (
        ("t", "target", 2.0),
        ("a", "suppress", 3.0),
        ("b", "suppress", 0.5),
    )
    assert apart.row_strength == 1.0
    # Very unequal ones are as they are, and not a quotient.
    tiny = SteeringRequest(target="t", suppress=("a",), suppress_strengths=(8.0,), strength=1e-300)
    assert [part.factor for part in tiny.combination] == [1e-300, 8.0]


def test_reasoning_is_apart_and_only_where_it_is_asked_for() -> None:
    own = SteeringRequest(target="b", suppress=("c",), phase="decode", strength=2.0)
    both = SteeringRequest(target="a", phase="decode", reasoning=own)
    assert both.combination == SteeringRequest(target="a").combination
    assert both.hashes == ("a", "b", "c")
    plain = SteeringRequest(target="a", phase="decode")
    off = replace(plain, reasoning="off")
    assert len({each.fingerprint for each in (plain, off, both)}) == 3
    assert off.to_extra_args() == plain.to_extra_args() | {"langsteer_reasoning": "off"}
    alone = SteeringRequest(phase="decode", reasoning=own, strength=5.0)
    assert (alone.combination, alone.strength, alone.hashes) == ((), 1.0, ("b", "c"))


@pytest.mark.parametrize(
    ("flat", "said"),
    [
        ({"reasoning": "off", "reasoning_target": "b"}, "arguments of its own"),
        ({"reasoning": "on"}, "must be 'off'"),
        ({"reasoning": ["off"]}, "must be 'off'"),
        ({"reasoning_target": 5}, "reasoning_target is 5"),
        ({"reasoning_phase": "all", "reasoning_target": "b"}, "no phase of its own"),
        ({"reasoning_reasoning": "off"}, "unknown steering arguments: reasoning_reasoning"),
        ({"reasoning_strength": 1.0}, "target or something to suppress"),
    ],
)
def test_malformed_reasoning(flat: dict[str, Any], said: str) -> None:
    given = {"target": "a", "phase": "decode"} | flat
    with pytest.raises(ValueError, match=said):
        SteeringRequest.from_extra_args({f"langsteer_{name}": v for name, v in given.items()})


@pytest.mark.parametrize("none", [None, {}, {"other": 1}])
def test_without_our_keys_a_request_is_unsteered(none: dict[str, int] | None) -> None:
    assert SteeringRequest.from_extra_args(none) is None


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({}, "target or something to suppress"),
        ({"target": "a", "strength": 0.0}, "strength is 0.0"),
        ({"target": "a", "strength": -1.0}, "strength is -1.0"),
        ({"target": "a", "strength": MAX_STRENGTH * 2}, "at most"),
        ({"target": "a", "strength": math.nan}, "strength is nan"),
        ({"target": "a", "strength": math.inf}, "strength is inf"),
        ({"target": "a", "phase": "prefill"}, "phase is 'prefill'"),
        ({"suppress": ("a",), "suppress_strengths": (9.0,)}, "strength is 9.0"),
        ({"target": "a", "reasoning": "off"}, "phase is 'all', must be 'decode'"),
        ({"target": "a", "reasoning": "on", "phase": "decode"}, "reasoning is 'on'"),
        ({"reasoning": "off", "phase": "decode"}, "target or something to suppress"),
        (
            {"target": "a", "phase": "decode", "reasoning": SteeringRequest(target="a")},
            "reasoning is steered in phase 'decode'",
        ),
        ({"suppress": ("a",), "suppress_strengths": (1.0, 2.0)}, "2 strengths for 1 suppressed"),
        ({"suppress": ("a", "a"), "suppress_strengths": (1.0, 2.0)}, "has two strengths"),
    ],
)
def test_bad_requests_say_what_is_wrong(kwargs: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SteeringRequest(**kwargs)  # type: ignore[arg-type]


def test_unknown_keys_of_ours_are_an_error() -> None:
    with pytest.raises(ValueError, match="langauge"):
        SteeringRequest.from_extra_args({"langsteer_target": "a", "langsteer_langauge": "de"})


def test_decode_begins_where_the_first_answer_token_is_sampled() -> None:
    assert SteeringRequest(target="a", phase="decode").first_position(5) == 4
    assert SteeringRequest(target="a", phase="decode").first_position(1) == 0
    assert SteeringRequest(target="a").first_position(5) == 0


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *("target", "suppress", "suppress_strengths", "strength", "phase", "other"),
                *("reasoning", "reasoning_target", "reasoning_suppress", "reasoning_strength"),
            ]
        ),
        anything,
        min_size=1,
    )
)
def test_whatever_the_arguments_are_only_their_value_is_wrong(given_args: dict[str, Any]) -> None:
    """An exception of another type would end the engine, not the request."""
    flat = {f"langsteer_{name}": value for name, value in given_args.items()}
    try:
        request = SteeringRequest.from_extra_args(flat)
    except ValueError:
        return
    assert request
    assert 0 < request.strength <= MAX_STRENGTH


@pytest.mark.parametrize(
    "flat",
    [
        {"target": 5},
        {"target": ["x"]},
        {"suppress": 5},
        {"suppress": "ab"},
        {"suppress": ["a", 1]},
        {"target": "a", "strength": None},
        {"target": "a", "strength": 10**400},
        {"target": "a", "strength": True},
        {"target": "a", "phase": ["all"]},
        {"suppress": ["a"], "suppress_strengths": 1.0},
        {"suppress": ["a"], "suppress_strengths": ["1"]},
    ],
)
def test_badly_typed_arguments(flat: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is .*, must be"):
        SteeringRequest.from_extra_args({f"langsteer_{name}": v for name, v in flat.items()})
