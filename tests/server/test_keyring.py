from __future__ import annotations

import hashlib

import pytest

from server.keyring import LONGEST, KeyFormatError, Keyring, checked_key, hash_key


def test_keys_are_found_by_their_hashes() -> None:
    tenants = Keyring({"acme": [hash_key("k1"), hash_key("k2")], "beta": [hash_key("k3")]})
    assert tenants.names == ("acme", "beta")
    assert tenants.named_by(["k2"]) == {"acme"}
    assert tenants.named_by(["k1", "x", "k3"]) == {"acme", "beta"}
    assert tenants.named_by(["x", "", "ü", hash_key("k1")]) == frozenset()


def test_the_hash_is_plain_sha256_so_that_any_tool_can_make_it() -> None:
    assert hash_key("key\n") == "sha256:" + hashlib.sha256(b"key").hexdigest()


@pytest.mark.parametrize("key", ["!", "~", "sk-a_b.c", "x" * LONGEST])
def test_what_a_client_can_send_is_a_key(key: str) -> None:
    assert checked_key(f" {key}\r\n") == key


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (" \t\n", "empty"),
        ("x" * (LONGEST + 1), "over 4096 characters"),
        ("zäbra", "character 2 is not visible ASCII"),
        ("\ufeffzebra", "character 1 "),
        ("\ufffd\ufffd", "character 1 "),
        ("zebra words", "character 6 "),
        ("zebra\x00", "character 6 "),
        ("zebra\x7f", "character 6 "),
        ("zebra\xa0", "character 6 "),
    ],
)
def test_what_no_client_can_send_is_none(text: str, words: str) -> None:
    with pytest.raises(KeyFormatError, match=words) as caught:
        checked_key(text)
    assert "bra" not in str(caught.value)
