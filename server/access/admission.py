"""Whether a request is let in, from its headers alone: nothing of its body is read."""

from __future__ import annotations

from starlette.types import Scope

from server import scopes
from server.access.client import Client
from server.access.rules import Rules
from server.errors import BodyTooLargeError, ForbiddenError, HeadersTooLargeError
from server.routes import is_open, operates


def admit(rules: Rules, scope: Scope) -> Client | None:
    """Whom a request is counted for; None where it is nobody's and not counted.

    Args:
        rules: what holds.
        scope: of an HTTP request or a websocket.

    Raises:
        ApiError: it is not let in.
    """
    _measure(rules, scope)
    client = _client(rules, scope)
    limit = body_limit(rules)
    if limit is not None and (scopes.content_length(scope) or 0) > limit:
        raise too_large(limit)
    return client


def body_limit(rules: Rules) -> int | None:
    """Bytes a body may have."""
    most = rules.server.max_body_mb
    return None if most is None else most << 20


def too_large(limit: int, *, endless: bool = False) -> BodyTooLargeError:
    """The error of a body with more than `limit` bytes.

    Args:
        limit: bytes.
        endless: whether nobody knows how much is to come. Then the connection is closed, which a
            client that is still sending may meet before the answer; else the rest is thrown away.
    """
    text = f"the body has more than {limit} bytes, which is as much as this server takes"
    close = {"connection": "close"} if endless else {}
    return BodyTooLargeError(text, reason="too_large", headers=close)


def _measure(rules: Rules, scope: Scope) -> None:
    most = rules.server.max_headers_kb
    if most is None:
        return
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size > most << 10:
        raise HeadersTooLargeError(
            f"the headers have {size} bytes together; this server takes {most << 10}",
            reason="headers_too_large",
            headers={"connection": "close"},
        )


def _client(rules: Rules, scope: Scope) -> Client | None:
    path = scopes.route(scope)
    method = scope.get("method", "GET")
    # Browsers send no key with the question whether they may send one.
    if method == "OPTIONS" or is_open(path):
        return None
    keys = scopes.api_keys(scope) if rules.keyed else ()
    client = rules.client(keys, (scope.get("client") or ("",))[0])
    if not rules.administered or not operates(method, path):
        return client
    if not client.admin:
        raise ForbiddenError(
            "this endpoint is for operators: use a key that is admin in the access file",
            reason="forbidden",
        )
    # Not counted: who mends an overloaded server must get in.
    return None
