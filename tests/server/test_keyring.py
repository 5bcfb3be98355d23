from __future__ import annotations

import hashlib

from server.keyring import Keyring, hash_key


def test_keys_are_found_by_their_hashes() -> None:
    tenants = Keyring({"acme": [hash_key("k1"), hash_key("k2")], "beta": [hash_key("k3")]})
    assert tenants.names == ("acme", "beta")
    assert tenants.named_by(["k2"]) == {"acme"}
    assert tenants.named_by(["k1", "x", "k3"]) == {"acme", "beta"}
    assert tenants.named_by(["x", "", "ü", hash_key("k1")]) == frozenset()


def test_the_hash_is_plain_sha256_so_that_any_tool_can_make_it() -> None:
    assert hash_key("key\n") == "sha256:" + hashlib.sha256(b"key").hexdigest()
