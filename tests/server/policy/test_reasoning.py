"""A policy's `reasoning`: as the file says it, and as it meets a request's."""

from __future__ import annotations

from typing import Any

import pytest

from server.applied import AppliedSteering
from server.catalog import Catalog
from server.errors import ApiError
from server.policy.book import Book
from server.policy.explain import explain
from server.policy.load import load
from server.yamlfile.problem import FileError


def book(text: str) -> Book:
    return load(f"version: 1\n{text}".encode())


def wrong(text: str) -> str:
    with pytest.raises(FileError) as caught:
        book(text)
    return "\n".join(map(str, caught.value.problems))


def policy(reasoning: str, more: str = "") -> str:
    return f"""
version: 1
defaults:
  target: [{{language: ja}}]
  reasoning: {reasoning}
  {more}
"""


def header(made: Any) -> str:
    """Of what is applied, without versions."""
    return "; ".join(part.partition("@")[0] for part in made.rule().header().split("; "))


AWAY = 'reasoning-suppress="zh'  # and a version, which is left out


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        ("off", "ja; strength=1; phase=decode; reasoning=off"),
        ("answer", "ja; strength=1; phase=all"),
        ("{target: de}", "ja; strength=1; phase=decode; reasoning=de; reasoning-strength=1"),
        (
            "{suppress: {zh: 0.5}, strength: 2}",
            f"ja; strength=1; phase=decode; reasoning=-; {AWAY}; reasoning-strength=2",
        ),
    ],
)
def test_the_rule_decides_for_clients_that_say_nothing(
    case: Any, reasoning: str, expected: str
) -> None:
    assert header(case(policy(reasoning))) == expected


def test_it_is_inherited_whole_and_can_be_undone() -> None:
    terms = [
        clause.terms
        for clause in book("""
defaults: {target: [{language: ja}], reasoning: {target: en, strength: 2}, strength: {default: 1.5}}
rules:
  - {name: heir, when: {model: a}}
  - {name: own, when: {model: b}, reasoning: {target: de}}
  - {name: none, when: {model: c}, reasoning: answer, phase: all}
""").clauses
    ]
    heir, own, none, _ = (each.reasoning for each in terms)
    assert not isinstance(heir, str)
    assert not isinstance(own, str)
    assert (heir and heir.strength, own and own.strength, none) == (2.0, 1.5, None)
    assert [each.phase for each in terms] == [None, None, "all", None]


def test_reasoning_alone_is_something_to_steer_by(case: Any) -> None:
    alone = "version: 1\ndefaults: {reasoning: {target: de}}"
    assert header(case(alone)) == ("-; phase=decode; reasoning=de; reasoning-strength=1")
    assert "steers and names neither" in wrong(
        "defaults: {steer: false}\nrules: [{name: a, steer: true, reasoning: off}]"
    )


@pytest.mark.parametrize(
    ("reasoning", "words"),
    [
        ("on", "must be `answer`, `off`, or {target: TAG"),
        ("false", "must be `answer`, `off`"),
        ("{}", "names neither target nor suppress"),
        ("{strength: 1}", "names neither target nor suppress"),
        ("{target: [de]}", "target"),
        ("{target: German}", "target"),
        ("{target: de, phase: decode}", "phase"),
        ("{target: de, strength: 9}", "strength"),
        ("{target: de, suppress: [de-AT]}", "de-at is the target itself"),
        ("{suppress: [zh, zh-Hans]}", "another spelling"),
    ],
)
def test_what_cannot_be_used_is_named(reasoning: str, words: str) -> None:
    said = wrong(policy(reasoning).replace("version: 1\n", ""))
    assert "reasoning" in said
    assert words in said


def test_it_does_not_go_with_a_prompt_that_is_edited() -> None:
    said = wrong(policy("off", "phase: all").replace("version: 1\n", ""))
    assert said.startswith("defaults.phase, line")
    assert "with `reasoning` write `decode`" in said


def test_languages_without_a_profile(case: Any, catalog: Catalog) -> None:
    lacking = "defaults: {target: [{language: ja}], reasoning: {target: nl, suppress: [fr]}}"
    assert book(lacking).unmet(catalog) == [
        "defaults: no profile steers towards nl",
        "defaults: no profile steers away from fr",
    ]
    with pytest.raises(ApiError, match="steers the reasoning by nl, which no loaded"):
        case(policy("{target: nl}")).rule()
    assert header(case(policy("{target: nl}", "missing: unsteered"))) == (
        "ja; strength=1; phase=decode; reasoning=off; reason=no-reasoning-profile:nl"
    )
    some = case(policy("{target: de, suppress: [fr]}", "missing: unsteered"))
    assert header(some).startswith("ja; strength=1; phase=decode; reasoning=de; ")


FREE = "strength: {default: 1.5, max: 3}, overrides: [reasoning, phase], deny: [zh]"


def ask(case: Any, rule: str, **steering: Any) -> Any:
    text = f"version: 1\ndefaults: {{target: [{{language: ja}}], {rule}}}"
    return case(text, steering=steering)


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        ("off", "reasoning=off"),
        ({"target": "de"}, "reasoning=de; reasoning-strength=1.5"),
        ({"target": "de", "strength": 3}, "reasoning=de; reasoning-strength=3"),
    ],
)
def test_a_client_that_may_chooses(case: Any, reasoning: Any, expected: str) -> None:
    for own in ("", ", reasoning: {target: pt}"):
        made = ask(case, FREE + own, reasoning=reasoning)
        assert header(made) == f"ja; strength=1.5; phase=decode; {expected}"
    undone = ask(case, FREE + ", reasoning: off", reasoning="answer")
    assert undone.rule().applied.reasoning is None


@pytest.mark.parametrize(
    ("steering", "status", "words"),
    [
        ({"reasoning": {"target": "zh"}}, 403, "steering.reasoning asks for zh, which"),
        ({"reasoning": {"profile": "zh"}}, 403, "steering.reasoning asks for zh, which"),
        ({"reasoning": {"target": "de", "strength": 4}}, 400, "allows 1.5 to 3"),
        ({"reasoning": {"target": "de", "strength": 0.5}}, 400, "allows 1.5 to 3"),
        ({"reasoning": {"suppress": {"de": 8}}}, 400, "allows 1.5 to 3"),
        ({"reasoning": "off", "phase": "all"}, 400, "neither reasoning nor answer"),
    ],
)
def test_within_what_the_rule_allows(
    case: Any, steering: dict[str, Any], status: int, words: str
) -> None:
    with pytest.raises(ApiError, match=words) as caught:
        ask(case, FREE, **steering).rule()
    assert caught.value.status == status


def test_a_client_that_may_not_is_refused(case: Any) -> None:
    for reasoning in ("off", "answer", {"target": "de"}):
        with pytest.raises(ApiError, match=r"not let clients set steering\.reasoning") as caught:
            ask(case, "overrides: [strength]", reasoning=reasoning).rule()
        assert caught.value.status == 403


def test_an_exempt_client_may_steer_its_reasoning_and_the_rules_own_does_not_count(
    case: Any,
) -> None:
    rule = (
        "version: 1\ndefaults: {steer: false, reasoning: off, target: [field], "
        "overrides: [target, reasoning]}"
    )
    assert case(rule, steering={"target": "de"}).rule().applied.reasoning is None
    made = case(rule, steering={"reasoning": {"target": "de"}}).rule()
    assert isinstance(made.applied.reasoning, AppliedSteering)
    assert case(rule).rule().reason == "exempt"


def test_a_prompt_of_embeddings_shows_no_reasoning(case: Any) -> None:
    with pytest.raises(ApiError, match="a prompt of embeddings"):
        case(policy("off"), prompt_embeds="AAAA").rule()


def test_a_server_that_cannot_tell_them_apart_refuses_and_explains(case: Any) -> None:
    made = case(policy("off"))
    made._no_reasoning = "it has no parser"
    with pytest.raises(ApiError, match="cannot be steered apart from the answer: it has no parser"):
        made.rule()
    facts = explain(made)
    assert (facts["result"], facts["status"]) == ("refused", 400)
    assert book("defaults: {target: [{language: ja}], reasoning: off}").parts == ["defaults"]


@pytest.mark.parametrize(
    ("rule", "steering", "expected"),
    [
        (
            "target: [{language: ja}], reasoning: off, overrides: [reasoning]",
            {"reasoning": "answer"},
            "ja; strength=1; phase=all",
        ),
        (
            "steer: false, reasoning: off, target: [field], overrides: [target]",
            {"target": "de"},
            "de; strength=1; phase=all",
        ),
        (
            "target: [{language: ja}], phase: decode, reasoning: off, overrides: [reasoning]",
            {"reasoning": "answer"},
            "ja; strength=1; phase=decode",
        ),
    ],
)
def test_the_phase_that_no_one_says_goes_by_the_reasoning_of_the_request(
    case: Any, rule: str, steering: dict[str, Any], expected: str
) -> None:
    assert header(case(f"version: 1\ndefaults: {{{rule}}}", steering=steering)) == expected


@pytest.mark.parametrize("asks", ["off", "answer"])
def test_a_client_cannot_undo_all_that_a_rule_steers(case: Any, asks: str) -> None:
    rule = "version: 1\ndefaults: {reasoning: {target: de}, overrides: [reasoning]}"
    with pytest.raises(ApiError, match="nothing would be left to steer by") as caught:
        case(rule, steering={"reasoning": asks}).rule()
    assert (caught.value.status, caught.value.param) == (400, "steering.reasoning")
    assert f'steering.reasoning is "{asks}"' in str(caught.value)
    assert "rule defaults" in str(caught.value)


def test_a_rules_own_phase_stands_unless_clients_may_set_it(case: Any) -> None:
    rule = "phase: all, overrides: [reasoning{}]"
    for reasoning in ("off", {"target": "de"}):
        with pytest.raises(ApiError, match="has `phase: all`") as caught:
            ask(case, rule.format(""), reasoning=reasoning).rule()
        assert (caught.value.status, caught.value.param) == (403, "steering.reasoning")
    assert header(ask(case, rule.format(""), reasoning="answer")) == "ja; strength=1; phase=all"
    free = ask(case, rule.format(", phase"), reasoning="off")
    assert header(free) == "ja; strength=1; phase=decode; reasoning=off"


def test_a_phase_against_the_rules_reasoning_is_told_whose_it_is(case: Any) -> None:
    rule = "reasoning: off, overrides: [phase]"
    with pytest.raises(ApiError, match="the policy's rule defaults steers the reasoning") as caught:
        ask(case, rule, phase="all").rule()
    assert (caught.value.status, caught.value.param) == (400, "steering.phase")
    assert "steering.reasoning" not in str(caught.value)
    assert header(ask(case, rule, phase="decode")).endswith("phase=decode; reasoning=off")


def test_reasoning_that_never_applies_does_not_forbid_a_phase(case: Any) -> None:
    rule = "{steer: false, phase: all, reasoning: off, target: [field], overrides: [target]}"
    made = case(f"version: 1\ndefaults: {rule}", steering={"target": "de"})
    assert header(made) == "de; strength=1; phase=all"
    heir = f"defaults: {rule}\nrules: [{{name: a, steer: true}}]"
    assert wrong(heir).startswith("rules[0] (a), line 3: all edits the prompt too")


@pytest.mark.parametrize(
    "rule",
    [
        "reasoning: {target: de}, overrides: [strength]",
        "steer: false, overrides: [reasoning, strength]",
    ],
)
def test_a_strength_of_no_answer_is_refused(case: Any, rule: str) -> None:
    wish = {"strength": 2, **({"reasoning": {"target": "de"}} if "steer" in rule else {})}
    with pytest.raises(ApiError, match="nothing steers the answer") as caught:
        case(f"version: 1\ndefaults: {{{rule}}}", steering=wish).rule()
    assert (caught.value.status, caught.value.param) == (400, "steering.strength")


def test_a_strength_whose_answer_has_no_language_here_is_served_all_the_same(case: Any) -> None:
    rule = (
        "version: 1\ndefaults: {target: [detect], reasoning: {target: de}, "
        "overrides: [strength], missing: unsteered}"
    )
    assert header(case(rule, steering={"strength": 2})) == (
        "-; phase=decode; reasoning=de; reasoning-strength=1; reason=no-language"
    )
