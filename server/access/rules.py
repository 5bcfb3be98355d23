"""A loaded access file: whose request it is, and what holds for it."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import Any

from server.access.client import Client
from server.access.document import Document, Limits
from server.errors import AccessConflictError, UnauthorizedError
from server.keyring import Keyring

# One is sent; two, where a gateway adds its own. Each costs a comparison with every hash.
_MOST_KEYS = 4


class Rules:
    """Immutable: a reload replaces it whole, so that a request sees one.

    Args:
        document: the file.
        digest: of its bytes, hexadecimal.
        warnings: what it allows and probably does not mean.
    """

    def __init__(self, document: Document, digest: str, warnings: tuple[str, ...]) -> None:
        self.document = document
        self.digest = digest
        self.warnings = warnings
        self.server = document.server
        self._clients = {
            key.name: Client(
                name=f"key/{key.name}",
                admin=key.admin,
                limits=Limits(
                    **{
                        **document.limits.model_dump(exclude_none=True),
                        **key.limits.model_dump(exclude_none=True),
                    }
                ),
            )
            for key in document.keys or ()
        }
        self._keyring = Keyring({key.name: key.hashes for key in document.keys or ()})

    def describe(self) -> dict[str, Any]:
        """What is in force as JSON, without a hash."""
        shown = {"limits": self.document.limits.model_dump(), "server": self.server.model_dump()}
        keys = [
            {
                "name": key.name,
                "hashes": len(key.hashes),
                "admin": key.admin,
                "limits": self._clients[key.name].limits.model_dump(),
            }
            for key in self.document.keys or ()
        ]
        return {"keys": keys if self.keyed else None, **shown}

    def summary(self) -> list[str]:
        """A line of text for every client, or for any."""
        lines = [
            f"{key.name}: {_counted(len(key.hashes), 'key')}, {'admin, ' if key.admin else ''}"
            f"{_limited(self._clients[key.name].limits)}"
            for key in self.document.keys or ()
        ]
        return lines or [f"each address: {_limited(self.document.limits)}"]

    @property
    def clients(self) -> Collection[Client]:
        """Everybody who has keys, each with the limits that hold for it."""
        return self._clients.values()

    @cached_property
    def keyed(self) -> bool:
        """Whether a request needs a key."""
        return bool(self._clients)

    @cached_property
    def administered(self) -> bool:
        """Whether the server is operated by some keys only."""
        return any(client.admin for client in self._clients.values())

    def client(self, keys: Collection[str], host: str) -> Client:
        """Whose request it is.

        Args:
            keys: every API key that it came with.
            host: the address it came from.

        Raises:
            UnauthorizedError: it has no key of the file.
            AccessConflictError: it has keys of two.
        """
        if not self.keyed:
            return Client.at(host, self.document.limits)
        if not keys:
            raise UnauthorizedError("no API key: send the header Authorization: Bearer KEY")
        if len(keys) > _MOST_KEYS:
            raise UnauthorizedError(f"{len(keys)} API keys: send one, {_MOST_KEYS} at most")
        found = sorted(self._keyring.named_by(keys))
        if not found:
            raise UnauthorizedError("the API key is not known to this server")
        if len(found) > 1:
            raise AccessConflictError("the request came with API keys of several owners: send one")
        return self._clients[found[0]]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _limited(limits: Limits) -> str:
    rate, at_once = limits.requests_per_minute, limits.concurrent
    return (
        f"{'any number of' if rate is None else rate} requests a minute, "
        f"{'any number' if at_once is None else at_once} at once"
    )
