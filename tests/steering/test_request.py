import math
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
requests = given_alike | given_apart


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
        st.sampled_from(["target", "suppress", "suppress_strengths", "strength", "phase", "other"]),
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
