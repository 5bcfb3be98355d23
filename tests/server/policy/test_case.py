from __future__ import annotations

from typing import Any

import pytest

from server.errors import ApiError, ForbiddenError, PolicyError
from server.policy.ruling import Ruling

JA = "version: 1\ndefaults: {target: [{language: ja}]}"
FREE = """
version: 1
defaults:
  target: [field, header, accept-language, locale, detect, {language: ja}]
  overrides: [target, suppress, strength, phase, profile]
  strength: {min: 0.5, max: 2}
  deny: [zh]
"""
GERMAN = "Wie backe ich am besten einen Kuchen mit vielen Äpfeln und Zimt?"


def refused(case: Any, *args: Any, **more: Any) -> ApiError:
    made = case(*args, **more)
    with pytest.raises(ApiError) as caught:
        made.rule()
    return caught.value


def target(ruling: Ruling) -> str:
    assert ruling.applied
    assert ruling.applied.target
    return ruling.applied.target.name


def test_a_request_that_says_nothing_is_steered(case: Any) -> None:
    ruling = case(JA, messages=[{"role": "user", "content": GERMAN}]).rule()
    assert (ruling.rule, target(ruling), ruling.result) == ("defaults", "ja", "steered")
    assert (ruling.applied.strength, ruling.applied.phase) == (1.0, "all")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"steering": {"target": "de"}, "target": "de", "languages": "fr"}, "de"),
        ({"target": "pt", "languages": "fr"}, "pt"),
        ({"languages": "nl, zh;q=0.9, fr;q=0.8", "user": "locale=de"}, "fr"),
        ({"languages": "*", "user": "locale=de"}, "de"),
        ({"metadata": {"locale": "pt_BR"}, "prompt": GERMAN}, "pt"),
        ({"prompt": GERMAN}, "de"),
        ({"prompt": "hm"}, "ja"),
        ({"prompt": ["a"]}, "ja"),
        # Denied to every source, so the next is asked.
        ({"languages": "zh-TW", "prompt": "今天天气很好，我们明天去哪里玩呢？"}, "ja"),
        ({"steering": {"profile": "de-x-formal"}}, "de-x-formal"),
        ({"steering": {"profile": "de-x-formal"}, "target": "de-AT"}, "de-x-formal"),
    ],
)
def test_the_first_source_that_names_a_language_with_a_profile_decides(
    case: Any, asked: dict[str, Any], expected: str
) -> None:
    assert target(case(FREE, **asked).rule()) == expected


def test_sources_are_kept_with_what_they_named(case: Any) -> None:
    made = case(FREE, languages="nl, zh", prompt=GERMAN)
    made.rule()
    assert [(each.source, each.why) for each in made.tried] == [
        ("field", "no-language"),
        ("header", "no-language"),
        ("accept-language", "denied"),
        ("locale", "no-language"),
        ("detect", ""),
    ]


@pytest.mark.parametrize(
    ("steering", "param"),
    [
        ({"target": "ja"}, "steering.target"),
        ({"suppress": ["zh"]}, "steering.suppress"),
        ({"strength": 1}, "steering.strength"),
        ({"phase": "decode"}, "steering.phase"),
        ({"profile": "ja"}, "steering.profile"),
    ],
)
def test_what_clients_may_not_set_is_refused_even_where_it_changes_nothing(
    case: Any, steering: dict[str, Any], param: str
) -> None:
    error = refused(case, JA, steering=steering)
    assert (error.status, error.param, error.reason) == (403, param, "forbidden")
    assert "they may set nothing" in str(error)
    assert refused(case, JA, target="de").param == "X-Steering-Target"


def test_a_rule_with_a_fixed_language_is_not_opened_by_inherited_overrides(case: Any) -> None:
    text = FREE + "rules: [{name: jp, target: [{language: ja}]}]"
    for asked in (
        {"steering": {"target": "de"}},
        {"target": "de"},
        {"steering": {"profile": "de"}},
    ):
        assert isinstance(refused(case, text, **asked), ForbiddenError)
    assert target(case(text, steering={"profile": "ja", "strength": 2}).rule()) == "ja"


def test_a_source_that_is_not_the_clients_may_not_be_contradicted(case: Any) -> None:
    text = FREE.replace("[field, header, accept-language,", "[accept-language, field, header,")
    assert target(case(text, languages="fr", steering={"target": "fr"}).rule()) == "fr"
    assert target(case(text, steering={"target": "de"}).rule()) == "de"
    error = refused(case, text, languages="fr", steering={"target": "de"})
    assert (error.status, "language of this request is fr" in str(error)) == (403, True)


@pytest.mark.parametrize(
    "asked",
    [
        {"steering": {"target": "zh"}},
        {"steering": {"target": "zh-Hans-CN"}},
        {"target": "cmn"},
        {"steering": {"profile": "zh"}},
    ],
)
def test_denied_languages_are_refused(case: Any, asked: dict[str, Any]) -> None:
    error = refused(case, FREE, **asked)
    assert (error.status, "denies" in str(error)) == (403, True)


def test_a_denied_region_is_denied_though_the_profile_has_none(case: Any) -> None:
    text = FREE.replace("deny: [zh]", "deny: [pt-BR]")
    assert refused(case, text, steering={"target": "pt-BR"}).status == 403
    assert target(case(text, steering={"target": "pt-PT"}).rule()) == "pt"


@pytest.mark.parametrize("strength", [0.4, 2.1, 8, 0.001])
def test_strengths_out_of_range_are_refused(case: Any, strength: float) -> None:
    error = refused(case, FREE, steering={"strength": strength})
    assert (error.status, "allows 0.5 to 2" in str(error)) == (400, True)
    assert "0.5 to 2" in str(refused(case, FREE, steering={"suppress": {"en": strength}}))


def test_clients_may_strengthen_only_where_the_file_says_no_more(case: Any) -> None:
    text = "version: 1\ndefaults: {target: [{language: ja}], overrides: [strength]}"
    assert case(text, steering={"strength": 3}).rule().applied.strength == 3
    assert "allows 1 to 8" in str(refused(case, text, steering={"strength": 0.1}))


def test_what_clients_may_set_is_applied(case: Any) -> None:
    wish = {"suppress": {"en": 0.5}, "strength": 2, "phase": "decode"}
    applied = case(FREE, steering=wish).rule().applied
    assert [entry.name for entry in applied.suppress] == ["en"]
    assert (applied.suppress_strengths, applied.strength) == ((0.5,), 2.0)
    assert applied.phase == "decode"


def test_malformed_wishes_are_refused_as_without_a_policy(case: Any) -> None:
    for wish in (5, {"target": 5}, {"targets": "de"}, {"phase": "x"}, {"suppress": "zh"}):
        assert refused(case, FREE, steering=wish).status == 400
    assert refused(case, FREE, steering={"target": "nl"}).reason == "unknown_language"
    assert refused(case, FREE, steering={"target": "de"}, target="ja").reason == "conflict"
    assert refused(case, JA, Steering={"target": "de"}).reason == "unknown_key"
    assert refused(case, JA, vllm_xargs={"langsteer_target": "x"}).reason == "reserved"


SUPPRESS = """
version: 1
defaults: {target: [detect], suppress: {zh: 0.5, en: 2}, missing: unsteered, overrides: [suppress]}
"""


def test_what_the_policy_suppresses_but_the_target(case: Any) -> None:
    applied = case(SUPPRESS, prompt="今天天气很好，我们明天去哪里玩呢？").rule().applied
    assert (applied.target.name, [entry.name for entry in applied.suppress]) == ("zh", ["en"])
    ruling = case(SUPPRESS, prompt="hm").rule()
    assert [entry.name for entry in ruling.applied.suppress] == ["en", "zh"]
    assert ruling.header().startswith('-; suppress="en@')
    assert ruling.header().endswith("reason=no-language")


def test_clients_add_to_what_the_policy_suppresses_and_take_nothing_away(case: Any) -> None:
    applied = case(SUPPRESS, prompt="hm", steering={"suppress": ["ja", "zh"]}).rule().applied
    assert [entry.name for entry in applied.suppress] == ["en", "ja", "zh"]
    same = case(SUPPRESS, prompt="hm", steering={"suppress": []}).rule().applied
    assert [entry.name for entry in same.suppress] == ["en", "zh"]
    error = refused(case, SUPPRESS, prompt="hm", steering={"suppress": {"zh": 1.5}})
    assert (error.reason, "has set one" in str(error)) == ("conflict", True)
    error = refused(case, SUPPRESS, prompt=GERMAN, steering={"suppress": ["de"]})
    assert "the target itself" in str(error)


def test_no_language_is_refused_with_what_was_tried(case: Any) -> None:
    text = "version: 1\ndefaults: {target: [accept-language, detect]}"
    error = refused(case, text, languages="nl", prompt="hm")
    assert (error.status, error.reason) == (400, "no_language")
    for words in ('accept-language: "nl": no profile', "detect: too short", "available are de"):
        assert words in str(error)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [({}, "no-language"), ({"languages": "nl"}, "no-profile"), ({"languages": "de, nl"}, "denied")],
)
def test_or_served_unsteered_with_the_reason(case: Any, asked: dict[str, Any], reason: str) -> None:
    text = "version: 1\ndefaults: {target: [accept-language], missing: unsteered, deny: [de]}"
    ruling = case(text, **asked).rule()
    assert (ruling.applied, ruling.result) == (None, "unsteered")
    assert ruling.header() == f"none; reason={reason}"


def test_a_language_that_no_profile_suppresses(case: Any) -> None:
    text = "version: 1\ndefaults: {target: [{language: ja}], suppress: [fr, zh], missing: MISSING}"
    assert "suppresses fr, which no" in str(refused(case, text.replace("MISSING", "refuse")))
    ruling = case(text.replace("MISSING", "unsteered")).rule()
    assert [entry.name for entry in ruling.applied.suppress] == ["zh"]
    assert ruling.header().endswith("phase=all; reason=no-suppress-profile:fr")
    alone = "version: 1\ndefaults: {suppress: [fr], missing: unsteered}"
    assert case(alone).rule().header() == "none; reason=no-suppress-profile:fr"


def test_suppression_alone(case: Any) -> None:
    applied = case("version: 1\ndefaults: {suppress: [zh]}").rule().applied
    assert (applied.target, [entry.name for entry in applied.suppress]) == (None, ["zh"])


EXEMPT = """
version: 1
defaults: {steer: false, target: [field, {language: ja}], suppress: [zh], overrides: [target]}
"""


def test_exempt_requests_pass_and_may_ask_as_far_as_they_are_let(case: Any) -> None:
    ruling = case(EXEMPT, use_beam_search=True).rule()
    assert (ruling.applied, ruling.header()) == (None, "none; reason=exempt")
    asking = case(EXEMPT, steering={"target": "de"}).rule()
    assert (target(asking), asking.applied.suppress) == ("de", ())
    assert refused(case, EXEMPT, steering={"strength": 1}).status == 403
    assert "asks for nothing" in str(refused(case, EXEMPT, steering={}))
    assert refused(case, EXEMPT, target="de").status == 403
    assert case(EXEMPT, route="/v1/chat/completions/batch").rule().reason == "exempt"


@pytest.mark.parametrize(
    "route",
    ["/v1/chat/completions/batch", "/inference/v1/generate", "/v1/completions/", "/v1/realtime"],
)
def test_where_text_is_made_and_cannot_be_steered(case: Any, route: str) -> None:
    error = refused(case, JA, route=route)
    assert (error.status, error.reason) == (400, "unsupported_path")


def test_options_under_which_steering_would_be_lost(case: Any) -> None:
    assert refused(case, JA, use_beam_search=True).reason == "unsupported_option"
    assert refused(case, JA, vllm_xargs=[1]).reason == "bad_type"


MODELS = """
version: 1
defaults: {steer: false}
rules:
  - {name: ja, when: {model: served}, steer: true, target: [{language: ja}]}
"""


def test_leaving_the_model_out_does_not_leave_the_rule(case: Any) -> None:
    for asked in ({}, {"model": None}, {"model": ""}, {"model": "served"}):
        assert case(MODELS, **asked).rule().rule == "ja"
    assert case(MODELS, model="other").rule().reason == "exempt"
    assert refused(case, MODELS, model=["served"]).param == "model"


def test_keys_of_two_tenants_are_none(case: Any) -> None:
    assert refused(case, JA, tenant="acme beta").reason == "conflict"


def test_a_body_that_is_no_object(case: Any) -> None:
    made = case(JA)
    object.__setattr__(made.asked, "body", [1])
    with pytest.raises(PolicyError, match="must be a JSON object"):
        made.rule()
