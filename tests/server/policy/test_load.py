from __future__ import annotations

import pytest

from server.keyring import hash_key
from server.policy.load import load
from server.yamlfile.problem import FileError

KEY = hash_key("k")
OPEN = "version: 1\ndefaults: {steer: false}\n"


def wrong(text: str | bytes, max_strength: float = 8.0) -> list[str]:
    with pytest.raises(FileError) as caught:
        load(text if isinstance(text, bytes) else text.encode(), max_strength)
    assert all(len(str(each)) < 500 for each in caught.value.problems)
    return [str(each) for each in caught.value.problems]


def test_the_smallest_file_that_says_something() -> None:
    book = load(b"version: 1\ndefaults:\n  target:\n    - language: ja\n")
    (clause,) = book.clauses
    assert (clause.name, clause.terms.steer) == ("defaults", True)
    assert [str(source) for source in clause.terms.target] == ["language ja"]
    assert book.warnings == ()


def test_strengths_that_fall_are_named_beside_what_else_is_wrong_with_them() -> None:
    def found(strengths: str) -> list[str]:
        text = f"{OPEN}rules: [{{name: a, enforce: {{strengths: {strengths}}}}}]"
        return wrong(text)

    place = "rules[0] (a).enforce.strengths"
    falling, large = found("[1.7, 1.3, 99]")
    assert falling.startswith(f"{place}, line 3: must rise: each attempt")
    assert large.startswith(f"{place}[2], line 3: must be less than or equal to 8; found 99")
    assert len(found("[3, 2, 99, 100]")) == len(found("[2, 3, 99, 100]")) + 1
    assert len(found("[3, two]")) == 1
    assert "must be a list" in found("3")[0]


def test_norwegian_is_no_boolean() -> None:
    (clause,) = load(b"version: 1\ndefaults: {suppress: [no, on], deny: [no]}").clauses
    assert [tag.language for tag, _ in clause.terms.suppress] == ["no", "on"]
    (clause,) = load(b"version: 1\ndefaults:\n  suppress: {no: 0.5}").clauses
    assert clause.terms.suppress[0][1] == 0.5
    assert wrong("version: 1\ndefaults: {steer: no}") == [
        'defaults.steer, line 2: must be true or false; found "no"'
    ]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "", "must be a mapping"),
        ("[1]", "line 1", "must be a mapping"),
        (b"\xff\xfe", "", "not UTF-8"),
        ("a: [", "line 1", "not valid YAML"),
        ("version: 1\nversion: 1", "line 2", "'version' is there twice"),
        ("version: 1\nrules:\n- name: a\n  name: b", "line 4", "'name' is there twice"),
        ("version: &v 1\nrules: [*v]", "line 2", "aliases are not supported"),
        ("version: !!python/name:os.system 1", "line 1", "not valid YAML"),
        ("version: 1\n1: 2", "line 2", "is not text"),
        ("version: 1\na: " + "[" * 25 + "]" * 25, "line 2", "nested more than"),
        ("a: " + "[" * 9000, "", "not valid YAML"),
        ("#" * (1 << 20) + "#", "", "the file is over 1 MiB"),
        ("version: 2", "version, line 1", "must be 1; found 2"),
        ("rules: []", "version", "is missing"),
        (OPEN + "rule: []", "rule, line 3", "is not known here"),
        (OPEN + "rules:\n- target: []", "rules[0].name, line 4", "is missing"),
        (OPEN + "rules: [{name: a, monitor: {exclude: [all]}}]", "exclude[0]", "must be 'code'"),
        (OPEN + "rules: [{name: a, monitor: {tolerate: 0.6}}]", ".tolerate", "0.5"),
        (OPEN + "rules: [{name: a, enforce: {strengths: [2, 1]}}]", ".strengths", "must rise"),
        (
            "version: 1\ndefaults: {suppress: [zh], strength: {max: 2}, enforce: {strengths: [3]}}",
            "defaults.enforce.strengths",
            "3 is over the rule's strength.max, 2",
        ),
        (OPEN + "rules: [{name: a, enforce: {strengths: [1, 2, 3, 4, 5]}}]", ".strengths", "4"),
        (OPEN + "rules: [{name: a, enforce: {on: [hit]}}]", "enforce.on[0]", "must be 'miss'"),
        (OPEN + "rules: [{name: ü, steer: false}]", "rules[0]", "a name has letters"),
        (OPEN + "rules: [{name: defaults, steer: false}]", ".name", "kept for the defaults"),
        (
            OPEN + "rules:\n- {name: a, steer: true}",
            "rules[0] (a), line 4",
            "steers and names neither target nor suppress",
        ),
        (
            OPEN + "tenants: {t: [" + KEY + "]}\nrules:\n"
            "- {name: a, when: {tenant: t}, steer: false}\n- {name: a, steer: false}",
            "rules[1] (a).name, line 6",
            "names must differ",
        ),
        (
            OPEN + "rules:\n- {name: a, when: {tenant: x}}",
            "rules[0] (a).when.tenant, line 4",
            'no tenant "x"; known are none',
        ),
        (OPEN + "rules: [{name: a, when: {model: []}}]", "when.model", "must not be empty"),
        (OPEN + "rules: [{name: a, when: {route: v1}}]", "when.route", 'begins with "/"'),
        (OPEN + "rules: [{name: a, when: {model: 'a*b'}}]", "when.model", "at the end only"),
        (
            OPEN + "rules:\n- {name: all, when: {route: '/v1/*'}}\n"
            "- {name: b, when: {model: m, route: [/v1/completions, /v1/responses]}}",
            "rules[1] (b), line 5",
            "can never be met: the earlier rule all catches all of it",
        ),
        ("version: 1", "defaults", "fall to the defaults"),
        ("version: 1\ndefaults:\n  deny:\n", "defaults.deny, line 3", "is empty"),
        ("version: 1\ndefaults: {target: [felt]}", "defaults.target[0]", "accept-language, locale"),
        ("version: 1\ndefaults: {target: [{tag: de}]}", "defaults.target[0]", "{language: TAG}"),
        ("version: 1\ndefaults: {target: [{language: German}]}", ".language", "BCP 47"),
        ("version: 1\ndefaults: {target: [detect, detect]}", "defaults.target", "there twice"),
        ("version: 1\ndefaults: {target: [field]}", "defaults.target", "add target to overrides"),
        (
            "version: 1\ndefaults: {target: [{language: zh-TW}], deny: [zh]}",
            "defaults.target",
            "zh-TW is denied",
        ),
        ("version: 1\ndefaults: {suppress: zh}", "defaults.suppress", "must be a list"),
        ("version: 1\ndefaults: {suppress: [zh, zh]}", "defaults.suppress", "each once"),
        ("version: 1\ndefaults: {suppress: [zh, cmn]}", "defaults.suppress", "another spelling"),
        ("version: 1\ndefaults: {suppress: {zh: 0}}", "defaults.suppress.zh", "greater than 0"),
        ("version: 1\ndefaults: {suppress: {zh: .nan}}", "defaults.suppress.zh", "nan"),
        ("version: 1\ndefaults: {suppress: {zh: '1'}}", "defaults.suppress.zh", "a number"),
        ("version: 1\ndefaults: {suppress: [zh], phase: prefill}", "phase", "'all' or 'decode'"),
        ("version: 1\ndefaults: {suppress: [zh], overrides: [all]}", "overrides[0]", "'target'"),
        (
            "version: 1\ndefaults: {suppress: [zh], strength: {min: 2, max: 1}}",
            "defaults.strength",
            "min 2 is over max 1",
        ),
        (
            "version: 1\ndefaults: {suppress: [zh], strength: {default: 3, min: 1, max: 2}}",
            "defaults.strength",
            "default 3 is not within min 1 and max 2",
        ),
        (
            "version: 1\ndefaults: {suppress: [zh], strength: {max: 9}}",
            "strength.max",
            "equal to 8",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str | bytes, place: str, words: str) -> None:
    problems = wrong(text)
    assert any(place in each and words in each for each in problems), problems


def test_all_is_said_at_once() -> None:
    text = OPEN + "rules:\n- {name: a, phase: x}\n- {name: a, suppres: [zh], strength: {max: true}}"
    assert len(wrong(text)) == 3


def test_the_servers_own_limit_holds() -> None:
    text = "version: 1\ndefaults: {suppress: {zh: 3}, strength: {max: 4}}"
    assert load(text.encode()).clauses[0].terms.strongest == 4
    said = "\n".join(wrong(text, 2.0))
    assert "4 is over the server's --max-strength, 2" in said
    assert "defaults.suppress.zh, line 2: 3 is over" in said


def test_a_key_in_the_clear_is_refused_and_not_repeated() -> None:
    said = "\n".join(wrong(OPEN + "tenants: {a: [sk-secret]}"))
    assert "langsteer policy hash-key" in said
    assert "secret" not in said


def test_a_key_belongs_to_one_tenant() -> None:
    for text in (f"{{a: [{KEY}], b: [{KEY}]}}", f"{{a: [{KEY}, {KEY}]}}"):
        assert "a key belongs to one tenant" in "\n".join(wrong(OPEN + f"tenants: {text}"))


def test_what_is_probably_not_meant_is_a_warning() -> None:
    text = (
        OPEN + f"tenants: {{a: [{KEY}]}}\nrules: [{{name: r, target: [{{language: ja}}, detect]}}]"
    )
    said = load(text.replace("target:", "steer: true, target:").encode()).warnings
    assert [each.partition(":")[0] for each in said] == [
        "tenants.a, line 3",
        "rules[0] (r).target, line 4",
    ]
