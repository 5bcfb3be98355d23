from __future__ import annotations

import pytest

from server.access.load import load
from server.keyring import hash_key
from server.yamlfile.problem import FileError
from tests.server.access.conftest import KEYS

KEY = hash_key("k")
ONE = f"keys:\n- name: a\n  hashes: [{KEY}]\n"


def wrong(text: str) -> list[str]:
    with pytest.raises(FileError) as caught:
        load(text.encode())
    return [str(each) for each in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "", "must be a mapping"),
        ("[1]", "line 1", "must be a mapping"),
        ("keys: []", "keys, line 1", "must not be empty"),
        ("keys:\n", "keys, line 1", "is empty"),
        ("limits:\n", "limits, line 1", "is empty"),
        ("key: []", "key, line 1", "is not known here"),
        ("keys:\n- name: a", "keys[0] (a).hashes, line 2", "is missing"),
        ("keys:\n- name: a\n  hashes: []", "keys[0] (a).hashes, line 3", "must not be empty"),
        (ONE + "  admin: yes", "keys[0] (a).admin, line 4", "must be true or false"),
        (ONE + "  limits: {concurrent: 0}", "(a).limits.concurrent, line 4", "equal to 1"),
        (ONE + "  limits: {concurrent: 1.5}", "(a).limits.concurrent", "a whole number; found 1.5"),
        (ONE + "  limits: {concurrent: true}", "(a).limits.concurrent", "a whole number"),
        ("server: {max_body_mb: '64'}", "server.max_body_mb", "a whole number"),
        (f"keys: [{{name: a/b, hashes: [{KEY}]}}]", "keys[0] (a/b).name", "a name has letters"),
        (
            ONE + f"- name: a\n  hashes: [{hash_key('x')}]",
            "keys[1] (a).name, line 4",
            "there twice",
        ),
        (ONE + f"- name: b\n  hashes: [{KEY}]", "keys[1] (b).hashes[0], line 5", "is a's already"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, place: str, words: str) -> None:
    problems = wrong(text)
    assert any(place in each and words in each for each in problems), problems


@pytest.mark.parametrize(
    "keys",
    ["sk-secret", "[sk-secret]", "[{name: a, hashes: sk-secret}]", "[{hashes: [sk-secret]}]"],
)
def test_a_key_in_the_clear_is_refused_and_not_repeated(keys: str) -> None:
    said = "\n".join(wrong(f"keys: {keys}"))
    assert said
    assert "secret" not in said


def test_limits_of_a_key_are_its_own_and_then_the_files() -> None:
    rules = load((KEYS + "limits: {requests_per_minute: 60, concurrent: 4}").encode())
    by_name = {client.name: client.limits for client in rules.clients}
    assert by_name["key/acme"].model_dump() == {"requests_per_minute": 60, "concurrent": 4}
    text = f"{ONE}  limits: {{concurrent: 9}}\nlimits: {{requests_per_minute: 60, concurrent: 4}}"
    (client,) = load(text.encode()).clients
    assert client.limits.model_dump() == {"requests_per_minute": 60, "concurrent": 9}


def test_what_is_probably_not_meant_is_a_warning() -> None:
    assert load(KEYS.encode()).warnings == ()
    (said,) = load(b"limits: {concurrent: 2}").warnings
    assert "everybody who reaches the server" in said
    (said,) = load(ONE.encode()).warnings
    assert said == "keys, line 1: none is admin: every one of them may operate the server"
    text = KEYS + "limits: {concurrent: 4}\nserver: {concurrent: 3}"
    (said,) = load(text.encode()).warnings
    assert said == "limits.concurrent, line 5: 4 is over server.concurrent, 3, which is met first"


def test_nothing_that_is_shown_has_a_hash() -> None:
    rules = load(KEYS.encode())
    shown = str(rules.describe()) + "\n".join(rules.summary())
    assert "acme: 2 keys, any number of requests a minute, any number at once" in shown
    assert hash_key("acme-new")[7:20] not in shown
