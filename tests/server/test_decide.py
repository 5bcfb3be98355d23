from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server import decide as deciding
from server.applied import AppliedSteering
from server.catalog import Catalog
from server.errors import PolicyError
from steering.request import MAX_STRENGTH, SteeringRequest

CHAT = "/v1/chat/completions"


def decide(
    catalog: Catalog,
    steering: Any,
    *,
    header: tuple[str, ...] = (),
    path: str = CHAT,
    **fields: Any,
) -> AppliedSteering | None:
    return deciding.decide(
        path=path,
        header=header,
        body={"model": "m", "steering": steering, **fields},
        catalog=catalog,
        max_strength=MAX_STRENGTH,
    )


def refused(catalog: Catalog, steering: Any, **more: Any) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        decide(catalog, steering, **more)
    assert caught.value.status == 400
    return caught.value


def test_a_full_wish_becomes_content_hashes(catalog: Catalog) -> None:
    applied = decide(
        catalog, {"target": "de-DE", "suppress": ["zh", "en"], "strength": 2, "phase": "decode"}
    )
    assert applied is not None
    de, zh, en = (catalog.get(name) for name in ("de", "zh", "en"))
    assert de
    assert zh
    assert en
    assert applied.request() == SteeringRequest(
        target=de.profile.content_hash,
        suppress=(zh.profile.content_hash, en.profile.content_hash),
        strength=2.0,
        phase="decode",
    )
    assert (
        applied.header()
        == f'{de.label}; suppress="{en.label},{zh.label}"; strength=2; phase=decode'
    )
    assert applied.labels() == {
        "target": "de",
        "suppress": "several",
        "strength": "<=2",
        "phase": "decode",
    }


def test_suppressed_languages_may_have_strengths_of_their_own(catalog: Catalog) -> None:
    applied = decide(catalog, {"target": "de", "suppress": {"zh": 0.5, "en": None}, "strength": 2})
    assert applied is not None
    zh, en = (catalog.get(name) for name in ("zh", "en"))
    assert zh
    assert en
    found = applied.request()
    assert dict(zip(found.suppress, found.suppress_strengths, strict=True)) == {
        zh.profile.content_hash: 0.5,
        en.profile.content_hash: 2.0,
    }
    assert f'suppress="{en.label}:2,{zh.label}:0.5"; strength=2' in applied.header()
    # All alike is one strength, however it was said.
    same = decide(catalog, {"suppress": {"zh": 2, "zh-Hans": 2}, "strength": 2})
    assert same is not None
    listed = decide(catalog, {"suppress": ["zh"], "strength": 2})
    assert listed is not None
    assert same.request() == listed.request()


@pytest.mark.parametrize("steering", [None])
def test_null_is_absent(catalog: Catalog, steering: Any) -> None:
    assert decide(catalog, steering) is None
    assert decide(catalog, steering, path="/v1/embeddings") is None


def test_defaults(catalog: Catalog) -> None:
    applied = decide(catalog, {"suppress": ["zh"], "target": None, "strength": None, "phase": None})
    assert applied is not None
    assert (applied.target, applied.strength, applied.phase) == (None, 1.0, "all")
    assert applied.header().startswith("-; suppress=")


def test_profile_by_name_and_version(catalog: Catalog) -> None:
    formal = catalog.get("de-x-formal")
    assert formal
    for text in ("de-x-formal", formal.label, f"de-x-formal@{formal.profile.content_hash}"):
        for extra in ({}, {"target": "de"}):
            applied = decide(catalog, {"profile": text, **extra})
            assert applied is not None
            assert applied.target is formal


@pytest.mark.parametrize(
    ("steering", "param", "words"),
    [
        ([], "steering", "a list"),
        ("de", "steering", '"de"'),
        (False, "steering", "false"),
        (0, "steering", "0"),
        ({}, "steering", "asks for nothing"),
        ({"suppress": []}, "steering", "asks for nothing"),
        ({"strength": 1}, "steering", "asks for nothing"),
        ({"target": "de", "power": 1}, "steering.power", "target, suppress, strength, phase"),
        ({"target": "German"}, "steering.target", "de, de-x-formal, en, fr, ja, pt, zh"),
        ({"target": "nl"}, "steering.target", "available are de"),
        ({"target": ""}, "steering.target", "BCP 47"),
        ({"target": ["de"]}, "steering.target", "a list"),
        ({"target": True}, "steering.target", "true"),
        ({"target": "en"}, "steering.target", "has no edit for target"),
        ({"suppress": "zh"}, "steering.suppress", "must be a list"),
        ({"suppress": ["fr"]}, "steering.suppress[0]", "has no edit for suppress"),
        ({"suppress": {"fr": 1}}, 'steering.suppress["fr"]', "has no edit for suppress"),
        ({"suppress": {"zh": 0}}, 'steering.suppress["zh"]', "is left out"),
        ({"suppress": {"zh": 99}}, 'steering.suppress["zh"]', "at most 8"),
        ({"suppress": {"zh": "1"}}, 'steering.suppress["zh"]', "a number"),
        ({"suppress": {"zh": 1, "zh-CN": 2}}, "steering.suppress", "another strength already"),
        ({"suppress": ["zh", 5]}, "steering.suppress[1]", "5"),
        ({"suppress": ["zh"] * 17}, "steering.suppress", "at most 16"),
        ({"target": "de", "suppress": ["de-AT"]}, "steering.suppress", "the target itself"),
        ({"profile": "de-x-formal", "suppress": ["de"]}, "steering.suppress", "target itself"),
        ({"target": "de", "strength": 0}, "steering.strength", "leave `steering` out"),
        ({"target": "de", "strength": -1}, "steering.strength", "at most 8"),
        ({"target": "de", "strength": 8.01}, "steering.strength", "8.01"),
        ({"target": "de", "strength": 10**400}, "steering.strength", "very large"),
        ({"target": "de", "strength": math.nan}, "steering.strength", "nan"),
        ({"target": "de", "strength": math.inf}, "steering.strength", "inf"),
        ({"target": "de", "strength": True}, "steering.strength", "true"),
        ({"target": "de", "strength": "1"}, "steering.strength", '"1"'),
        ({"target": "de", "phase": "prefill"}, "steering.phase", "all, decode"),
        ({"target": "de", "phase": 1}, "steering.phase", "all, decode"),
        ({"profile": "xx"}, "steering.profile", "de@"),
        ({"profile": "de@000000000000"}, "steering.profile", "another version"),
        ({"profile": "de@"}, "steering.profile", "another version"),
        ({"profile": 1}, "steering.profile", "name@version"),
        ({"profile": "en"}, "steering.profile", "has no edit for target"),
        ({"profile": "ja", "target": "de"}, "steering.profile", "send one of them"),
        ({"reasoning": "off"}, "steering", "asks for nothing"),
        ({"reasoning": "answer"}, "steering", "asks for nothing"),
        (
            {"target": "de", "reasoning": "on"},
            "steering.reasoning",
            '"answer", "off", or an object',
        ),
        ({"target": "de", "reasoning": False}, "steering.reasoning", "is false, must be"),
        ({"target": "de", "reasoning": ["off"]}, "steering.reasoning", "a list"),
        ({"target": "de", "reasoning": {}}, "steering.reasoning", "asks for nothing"),
        ({"reasoning": {"target": "nl"}}, "steering.reasoning.target", "available are de"),
        ({"reasoning": {"profile": "xx"}}, "steering.reasoning.profile", "no such profile"),
        ({"reasoning": {"suppress": ["fr"]}}, "steering.reasoning.suppress[0]", "no edit for"),
        (
            {"reasoning": {"target": "de", "suppress": ["de"]}},
            "steering.reasoning.suppress",
            "the target itself",
        ),
        (
            {"reasoning": {"target": "de", "strength": 9}},
            "steering.reasoning.strength",
            "at most 8",
        ),
        (
            {"reasoning": {"target": "de", "phase": "decode"}},
            "steering.reasoning.phase",
            "known are target, suppress, strength, profile",
        ),
        (
            {"target": "de", "reasoning": {"target": "ja", "reasoning": "off"}},
            "steering.reasoning.reasoning",
            "unknown key",
        ),
        (
            {"strength": 3, "reasoning": {"target": "de"}},
            "steering.strength",
            "is 3, and nothing steers the answer",
        ),
        (
            {"target": "de", "phase": "all", "reasoning": "off"},
            "steering.phase",
            "neither reasoning nor answer",
        ),
    ],
)
def test_bad_values_name_field_value_and_choices(
    catalog: Catalog, steering: Any, param: str, words: str
) -> None:
    error = refused(catalog, steering)
    assert error.param == param
    assert words in str(error)
    assert set(error.to_body()["error"]) == {"message", "type", "param", "code"}
    assert error.to_body()["error"]["code"] == 400


def test_reasoning_apart_from_the_answer(catalog: Catalog) -> None:
    ja, de, zh = (catalog.get(name) for name in ("ja", "de", "zh"))
    assert ja and de and zh  # noqa: PT018
    off = decide(catalog, {"target": "ja", "reasoning": "off"})
    assert off
    assert off.header() == f"{ja.label}; strength=1; phase=decode; reasoning=off"
    two = decide(
        catalog,
        {
            "target": "ja",
            "strength": 2,
            "phase": "decode",
            "reasoning": {"target": "de", "suppress": {"zh": 0.5}, "strength": 1.5},
        },
    )
    assert two
    assert two.header() == (
        f"{ja.label}; strength=2; phase=decode; reasoning={de.label}; "
        f'reasoning-suppress="{zh.label}:0.5"; reasoning-strength=1.5'
    )
    assert two.request() == SteeringRequest(
        target=ja.profile.content_hash,
        strength=2.0,
        phase="decode",
        reasoning=SteeringRequest(
            target=de.profile.content_hash,
            suppress=(zh.profile.content_hash,),
            suppress_strengths=(0.5,),
            strength=1.5,
            phase="decode",
        ),
    )
    assert {*two.hashes()} == {each.profile.content_hash for each in (ja, de, zh)}
    alone = decide(catalog, {"reasoning": {"target": "de"}})
    assert alone
    assert alone.header() == (f"-; phase=decode; reasoning={de.label}; reasoning-strength=1")
    same = decide(catalog, {"target": "ja", "reasoning": "answer"})
    assert same == decide(catalog, {"target": "ja"})
    header = decide(catalog, {"reasoning": "off"}, header=("ja",))
    assert header == off


def test_a_server_that_cannot_tell_reasoning_refuses_it(catalog: Catalog) -> None:
    def ask(steering: Any) -> AppliedSteering | None:
        return deciding.decide(
            path=CHAT,
            header=[],
            body={"steering": steering},
            catalog=catalog,
            max_strength=8,
            no_reasoning="it has no parser",
        )

    for reasoning in ("off", {"target": "de"}):
        with pytest.raises(
            PolicyError, match=r"it has no parser\. Leave steering.reasoning out"
        ) as e:
            ask({"target": "ja", "reasoning": reasoning})
        assert (e.value.status, e.value.param) == (400, "steering.reasoning")
    assert ask({"target": "ja", "reasoning": "answer"})


def test_a_prompt_of_embeddings_shows_no_reasoning(catalog: Catalog) -> None:
    asked: Any = {"path": "/v1/completions", "prompt_embeds": "AAAA"}
    found = refused(catalog, {"target": "ja", "reasoning": "off"}, **asked)
    assert "a prompt of embeddings" in str(found)
    assert found.param == "steering.reasoning"
    assert decide(catalog, {"target": "ja"}, **asked)


def test_header_alone_and_with_a_field(catalog: Catalog) -> None:
    alone = deciding.decide(
        path="/v1/completions", header=["de-AT"], body={}, catalog=catalog, max_strength=8
    )
    same = decide(catalog, {"target": "de-DE"}, header=("de",))
    more = decide(catalog, {"suppress": ["zh"]}, header=("de",))
    assert alone
    assert same
    assert more
    assert alone.target is same.target is more.target is catalog.get("de")


@pytest.mark.parametrize("header", [("ja",), ("de", "de"), ("",), ("German",), ("de, ja",)])
def test_header_that_does_not_fit(catalog: Catalog, header: tuple[str, ...]) -> None:
    assert refused(catalog, {"target": "de"}, header=header).param == "X-Steering-Target"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/embeddings",
        "/v1/chat/completions/batch",
        "/tokenize",
        "/invocations",
        "/v1/completions/",
        "/v1/messages/count_tokens",
        "/inference/v1/generate",
        "/nowhere",
    ],
)
def test_elsewhere_steering_is_refused(catalog: Catalog, path: str) -> None:
    for error in (
        refused(catalog, {"target": "de"}, path=path),
        refused(catalog, None, header=("de",), path=path),
    ):
        assert error.reason == "unsupported_path"
        assert "/v1/responses" in str(error)


@pytest.mark.parametrize(
    "fields",
    [
        {"vllm_xargs": {"langsteer_target": "x"}},
        {"sampling_params": {"extra_args": {"langsteer_": 1}}},
        {"extra_body": {"steering": {"target": "de"}}},
        {"extra_body": {"Steering": {"target": "de"}}},
        {"Steering": {"target": "de"}},
        {"STEERING": "de"},
    ],
)
def test_ways_around_are_closed(catalog: Catalog, fields: dict[str, Any]) -> None:
    refused(catalog, None, **fields)
    refused(catalog, {"target": "de"}, **fields)


@pytest.mark.parametrize("fields", [{"use_beam_search": True}, {"vllm_xargs": [1]}])
def test_options_under_which_steering_would_be_lost(
    catalog: Catalog, fields: dict[str, Any]
) -> None:
    refused(catalog, {"target": "de"}, **fields)
    assert decide(catalog, None, **fields) is None


def test_no_profiles_loaded() -> None:
    assert "available are none" in str(refused(Catalog(), {"target": "de"}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
tags = (
    st.sampled_from(["de", "zh", "fr", "en", "DE-at", "de-x-formal", "nl", "x", ""]) | json_values
)
wishes = json_values | st.fixed_dictionaries(
    {},
    optional={
        "target": tags,
        "suppress": st.lists(tags, max_size=3)
        | st.dictionaries(st.sampled_from(["zh", "zh-CN", "en", "fr", ""]), st.floats() | tags)
        | json_values,
        "strength": st.floats() | st.integers() | json_values,
        "phase": st.sampled_from(["all", "decode", "both"]) | json_values,
        "profile": tags,
        "reasoning": st.sampled_from(["off", "answer"])
        | st.fixed_dictionaries(
            {}, optional={"target": tags, "strength": st.floats() | json_values, "suppress": tags}
        )
        | json_values,
    },
)


@given(
    steering=wishes,
    header=st.lists(st.text(max_size=9) | st.just("de"), max_size=2),
    at=st.sampled_from([CHAT, "/v1/embeddings"]),
)
@example(steering={"target": "de"}, header=[], at=CHAT)
def test_steering_is_given_or_refused_never_dropped(
    catalog: Catalog, steering: Any, header: list[str], at: str
) -> None:
    message = ""
    applied = None
    try:
        applied = decide(catalog, steering, header=tuple(header), path=at)
    except PolicyError as error:
        message = str(error)
    if message:
        assert len(message) < 700
    elif steering is None and not header:
        assert applied is None
    else:
        assert applied is not None
        assert SteeringRequest.from_extra_args(applied.request().to_extra_args())
        applied.header().encode("ascii")


@given(body=json_values, xargs=json_values)
def test_any_body_without_steering_passes_or_is_a_policy_error(
    catalog: Catalog, body: Any, xargs: Any
) -> None:
    for value in (body, {"vllm_xargs": xargs, "sampling_params": xargs, "extra_body": body}):
        with contextlib.suppress(PolicyError):
            deciding.decide(path=CHAT, header=[], body=value, catalog=catalog, max_strength=8)
