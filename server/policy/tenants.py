"""Whose API key it is."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping

_PREFIX = "sha256:"


def hash_key(key: str) -> str:
    """How an API key is written into a policy file: keys themselves never are."""
    return _PREFIX + hashlib.sha256(key.strip().encode()).hexdigest()


class Tenants:
    """The tenants of a policy.

    Args:
        hashes: the hashes of each tenant's keys, by its name.
    """

    def __init__(self, hashes: Mapping[str, Iterable[str]]) -> None:
        self._hashes = [(each, name) for name, all_of in hashes.items() for each in all_of]
        self.names = tuple(hashes)

    def named_by(self, keys: Iterable[str]) -> frozenset[str]:
        """Every tenant that one of the keys belongs to; takes equally long whichever it is."""
        found = set()
        for key in keys:
            own = hash_key(key)
            for each, name in self._hashes:
                if hmac.compare_digest(own, each):
                    found.add(name)
        return frozenset(found)
