from __future__ import annotations

import pytest

from server.catalog import Catalog
from server.keyring import hash_key
from server.policy.load import load

POLICY = f"""
version: 1
defaults: {{suppress: [zh]}}
tenants: {{acme: [{hash_key("a")}], beta: [{hash_key("b")}]}}
rules:
  - name: off
    when: {{tenant: acme, model: [small, "tiny-*"]}}
    steer: false
  - name: audio
    when: {{route: /v1/audio/*}}
    steer: false
  - name: acme
    when: {{tenant: [acme, beta], model: big}}
"""


@pytest.mark.parametrize(
    ("tenant", "model", "route", "expected"),
    [
        ("acme", "small", "/v1/completions", "off"),
        ("acme", "tiny-2", "/v1/completions", "off"),
        ("acme", "tiny", "/v1/completions", "defaults"),
        ("beta", "small", "/v1/completions", "defaults"),
        (None, "small", "/v1/audio/x", "audio"),
        (None, "small", "/v1/audio", "defaults"),
        ("beta", "big", "/v1/completions", "acme"),
        (None, "big", "/v1/completions", "defaults"),
        # Whoever names no model gets no exemption, and no way around a rule.
        ("acme", None, "/v1/completions", "acme"),
    ],
)
def test_the_first_rule_that_fits_is_met(
    tenant: str | None, model: str | None, route: str, expected: str
) -> None:
    book = load(POLICY.encode())
    clause, passed = book.choose(tenant, model, route)
    assert clause.name == expected
    names = [each.name for each in book.clauses]
    assert [name for name, _ in passed] == names[: names.index(expected)]
    assert all(why for _, why in passed)


def test_why_a_rule_is_not_met() -> None:
    _, passed = load(POLICY.encode()).choose(None, "small", "/v1/completions")
    assert [why for _, why in passed] == [
        "tenant is none, not acme",
        'route is "/v1/completions", not /v1/audio/*',
        "tenant is none, not acme or beta",
    ]


def test_languages_that_no_profile_gives_are_named(catalog: Catalog) -> None:
    text = "version: 1\ndefaults: {target: [detect, {language: en}, {language: nl}]}\nrules:\n"
    text += "- {name: a, when: {model: m}, suppress: [fr, zh]}\n"
    text += "- {name: b, when: {model: n}, suppress: [pl], steer: false}"
    assert load(text.encode()).unmet(catalog) == [
        "a: no profile steers towards en",
        "a: no profile steers towards nl",
        "a: no profile steers away from fr",
        "defaults: no profile steers towards en",
        "defaults: no profile steers towards nl",
    ]


def test_only_a_policy_that_looks_at_text_loads_the_identifier() -> None:
    def identifies(target: str, more: str = "") -> bool:
        text = f"version: 1\ndefaults: {{target: [{target}]{more}}}"
        return load(text.encode()).identifies

    assert (identifies("detect"), identifies("locale")) == (True, False)
    assert identifies("locale", ", enforce: {strengths: [1.5]}")
    assert not identifies("locale", ", enforce: {on: [mixed]}")
