"""Whose API key it is: keys are known by their hashes alone."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping

_PREFIX = "sha256:"


def hash_key(key: str) -> str:
    """How an API key is written into a file: keys themselves never are."""
    return _PREFIX + hashlib.sha256(key.strip().encode()).hexdigest()


class Keyring:
    """Who has which API keys.

    Args:
        hashes: the hashes of each owner's keys, by its name.
    """

    def __init__(self, hashes: Mapping[str, Iterable[str]]) -> None:
        # Bytes: comparing text would check each for ASCII first.
        self._hashes = [(each.encode(), name) for name, all_of in hashes.items() for each in all_of]
        self.names = tuple(hashes)

    def named_by(self, keys: Iterable[str]) -> frozenset[str]:
        """Every owner that one of the keys belongs to; takes equally long whichever it is."""
        found = set()
        for key in keys:
            own = hash_key(key).encode()
            for each, name in self._hashes:
                if hmac.compare_digest(own, each):
                    found.add(name)
        return frozenset(found)
