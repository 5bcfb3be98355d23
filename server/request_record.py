"""What is told of one request: by a line of the request log, and by a span."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.types import Message, Scope

from server import scopes
from server.routes import OWN_PATHS, STEERABLE

REQUEST_ID = b"x-request-id"
# Anybody may send a path of a megabyte.
_LONGEST = 200
_PROFILE = re.compile(rf"({re.escape(OWN_PATHS)}profiles/)(?!reload$)[^/]+")
_TOLD = {
    b"x-steering-profile": "steering",
    b"x-steering-policy": "policy",
    b"x-steering-verdict": "verdict",
    b"x-steering-attempts": "attempts",
}


class RequestRecord:
    """Sees a request's answer go by.

    Args:
        scope: of the request.

    Attributes:
        request_id: the client's X-Request-Id, or one made here.
    """

    def __init__(self, scope: Scope) -> None:
        self.request_id = scopes.request_id(scope) or uuid.uuid4().hex
        self._method: str = scope["method"]
        self._route = scopes.route(scope)[:_LONGEST]
        self._began = time.monotonic()
        self._time = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._status = 0
        self._first: float | None = None
        self._bytes = 0
        self._complete = False
        self._told: dict[str, str] = {}

    def see(self, message: Message) -> None:
        """Take in a message of the answer, as the server was handed it."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            for key, value in message.get("headers", ()):
                if (name := _TOLD.get(key.lower())) is not None:
                    self._told[name] = value.decode("latin-1")
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            self._bytes += len(body)
            if body and self._first is None:
                self._first = time.monotonic()
            self._complete = not message.get("more_body", False)

    @property
    def worth_a_line(self) -> bool:
        """Whether it is for the log: what came without a key is not, or anybody could fill it."""
        return self._status != 401

    @property
    def failed(self) -> bool:
        """Whether the server, not the client, is at fault for there being no whole answer."""
        return self._status >= 500

    def line(self) -> dict[str, Any]:
        """The line of the request log; asked for once the request has ended."""
        first = None if self._first is None else round(self._first - self._began, 4)
        return {
            "time": self._time,
            "request_id": self.request_id,
            "method": self._method,
            "route": self._route,
            "status": self._status or None,
            "complete": self._complete,
            **{name: self._told.get(name) for name in _TOLD.values()},
            "bytes": self._bytes,
            "first_byte_seconds": first,
            "seconds": round(time.monotonic() - self._began, 4),
        }

    def attributes(self) -> Mapping[str, str | int | bool]:
        """A span's attributes: OpenTelemetry's names where it has them, else `langsteer.`'s."""
        found: dict[str, str | int | bool] = {
            "http.request.method": self._method,
            "url.path": self._route,
            "langsteer.request_id": self.request_id,
            "langsteer.complete": self._complete,
        }
        if route := template(self._route):
            found["http.route"] = route
        if self._status:
            found["http.response.status_code"] = self._status
        return found | {f"langsteer.{name}": value for name, value in self._told.items()}


def template(path: str) -> str:
    """The route that a path is of, as there are few of them; "" for paths that are not ours."""
    if path in STEERABLE:
        return path
    return _PROFILE.sub(r"\1{name}", path) if path.startswith(OWN_PATHS) else ""
