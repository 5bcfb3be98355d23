from __future__ import annotations

import pytest

from server.languages import LanguageTag
from server.policy.load import load
from server.policy.terms import Terms


def terms(defaults: str, rule: str, max_strength: float = 8.0) -> Terms:
    text = f"version: 1\ndefaults: {defaults}\nrules: [{{name: r, {rule}}}]"
    return load(text.encode(), max_strength).clauses[0].terms


def test_what_a_rule_leaves_out_is_the_defaults() -> None:
    defaults = (
        "{target: [detect], suppress: {zh: 0.5}, deny: [ko], phase: decode, missing: unsteered, "
        "overrides: [phase]}"
    )
    found = terms(defaults, "deny: [], suppress: [en]")
    assert [str(each) for each in found.target] == ["detect"]
    assert [(tag.text, own) for tag, own in found.suppress] == [("en", None)]
    assert (found.deny, found.phase, found.missing) == ((), "decode", "unsteered")
    assert found.overrides == {"phase"}
    assert terms(defaults, "steer: false").steer is False


@pytest.mark.parametrize(
    ("defaults", "rule", "expected"),
    [
        ("{steer: false}", "target: [detect]", True),
        ("{steer: false}", "suppress: [zh]", True),
        ("{steer: false}", "target: [detect], steer: false", False),
        ("{steer: false, target: [detect]}", "phase: all", False),
        ("{target: [detect]}", "phase: all", True),
        ("{steer: true, target: [detect]}", "steer: false", False),
    ],
)
def test_a_rule_that_says_what_to_steer_by_steers(defaults: str, rule: str, expected: bool) -> None:
    assert terms(defaults, rule).steer is expected


def test_what_nobody_says_gives_clients_nothing() -> None:
    found = terms("{steer: false}", "steer: true, suppress: [zh]")
    assert (found.overrides, found.missing, found.phase) == (frozenset(), "refuse", None)
    assert (found.weakest, found.strength, found.strongest) == (1.0, 1.0, 8.0)


@pytest.mark.parametrize(
    ("defaults", "rule", "ceiling", "expected"),
    [
        ("{}", "{default: 1.5}", 8, (1.5, 1.5, 8)),
        ("{}", "{max: 0.5}", 8, (0.5, 0.5, 0.5)),
        ("{}", "{min: 2}", 8, (2, 2, 8)),
        ("{}", "{}", 0.7, (0.7, 0.7, 0.7)),
        ("{max: 2}", "{default: 1.5, min: 0.5}", 8, (0.5, 1.5, 2)),
        ("{default: 3, max: 4}", "{default: 1}", 8, (1, 1, 4)),
    ],
)
def test_each_key_of_strength_is_inherited(
    defaults: str, rule: str, ceiling: float, expected: tuple[float, ...]
) -> None:
    found = terms(f"{{suppress: [zh], strength: {defaults}}}", f"strength: {rule}", ceiling)
    assert (found.weakest, found.strength, found.strongest) == expected


@pytest.mark.parametrize(
    ("denied", "tag", "expected"),
    [
        ("zh", "zh-TW", True),
        ("zh", "cmn-Hant", True),
        ("zh-Hant", "zh-TW", True),
        ("zh-Hant", "zh", False),
        ("zh", "yue", False),
        ("de", "de-x-formal", True),
        ("pt-BR", "pt", False),
        ("pt-BR", "pt-br", True),
        ("pt", "pt-BR", True),
        ("no", "nb", True),
    ],
)
def test_denying_a_language_denies_all_its_forms(denied: str, tag: str, expected: bool) -> None:
    found = terms("{suppress: [de]}", f"deny: [{denied}]")
    assert found.denies(LanguageTag.parse(tag)) is expected


def test_what_the_monitor_counts_is_inherited_key_by_key() -> None:
    found = terms("{steer: false, monitor: {exclude: [names]}}", "monitor: {tolerate: 0.25}")
    assert (found.exclude, found.tolerate) == ({"names"}, 0.25)
    found = terms("{steer: false, monitor: {tolerate: 0}}", "monitor: {exclude: []}")
    assert (found.exclude, found.tolerate) == (frozenset(), 0.0)
    found = terms("{steer: false}", "steer: false")
    assert (found.exclude, found.tolerate) == ({"code", "quotes"}, 0.1)


def test_enforcement_is_inherited_key_by_key_and_emptied() -> None:
    defaults = "{steer: false, enforce: {strengths: [1.5, 2]}}"
    found = terms(defaults, "enforce: {on: [mixed, miss]}")
    assert (found.enforce, found.enforce_on) == ((1.5, 2.0), {"mixed", "miss"})
    assert terms(defaults, "phase: all").enforce_on == {"miss"}
    assert terms(defaults, "enforce: {strengths: []}").enforce == ()
    assert terms("{steer: false}", "phase: all").enforce == ()
