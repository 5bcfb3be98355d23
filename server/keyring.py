"""Whose API key it is: keys are known by their hashes alone."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping

from profiles.errors import LangsteerError

_PREFIX = "sha256:"
LONGEST = 4096  # characters of a key; servers and proxies take little more in all headers


class KeyFormatError(LangsteerError):
    """Text that is no API key; its message does not repeat it."""


def checked_key(text: str) -> str:
    """The API key in a line of text.

    Raises:
        KeyFormatError: a client could not send it, or no server would find it: HTTP says nothing
            of the encoding of what is not ASCII, so that its hash is another on either side.
    """
    key = text.strip(" \t\r\n")
    if not key:
        raise KeyFormatError("that is no API key: it is empty")
    if len(key) > LONGEST:
        raise KeyFormatError(f"that is no API key: it is over {LONGEST} characters")
    for i, character in enumerate(key, 1):
        if not "!" <= character <= "~":
            raise KeyFormatError(
                f"that is no API key: its character {i} is not visible ASCII (! to ~, no spaces), "
                "which not every client can send; make one with `openssl rand -hex 32`"
            )
    return key


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
