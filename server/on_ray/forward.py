"""Requests that Ray Serve gives to a replica, to its own server and back, byte for byte."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any
from urllib.parse import quote

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from server import scopes
from server.errors import ApiError, EngineUnavailableError, ForbiddenError
from server.routes import IDENTIFY, OPERATED, OWN_PATHS

REPLICA_HEADER = "X-Langsteer-Replica"
# Of one connection, and not of what goes over it (RFC 9110, section 7.6.1).
_OF_CONNECTION = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te"),
        *(b"trailer", b"transfer-encoding", b"upgrade"),
    }
)
_EXPLAIN = f"{OWN_PATHS}policy/explain"
# Of whoever writes to the client, which is Ray Serve.
_OF_WRITER = frozenset({b"date", b"server"})
# Below the five seconds after which vLLM's server closes a connection that is not used.
_KEPT_SECONDS = 2.0

RawHeader = tuple[bytes, bytes]


class Forward:
    """Gives requests to the server, and its answers back as they come.

    What would change one replica only is refused.

    Args:
        url: of the server.
        replica: its name, which answers carry.
    """

    def __init__(self, url: str, replica: str) -> None:
        self._url = url
        self._replica = replica
        limits = httpx.Limits(max_connections=None, keepalive_expiry=_KEPT_SECONDS)
        # Not a client, which would add headers, decode answers, and follow what they say.
        self._transport = httpx.AsyncHTTPTransport(limits=limits)

    async def __call__(self, request: Request) -> Response:
        """The server's answer, or an error in its form."""
        scope = request.scope
        path = scopes.route(scope)
        if changes_one(request.method, path):
            return self._failed(
                ForbiddenError(
                    f"{request.method} {path} would reach one of several servers only: change the "
                    "profile folder and run `python -m server.on_ray.update`; for all else "
                    "deploy the application again",
                    reason="forbidden",
                )
            )
        query = scope["query_string"].decode("latin-1")
        sent = httpx.Request(
            request.method,
            f"{self._url}{quote(path, safe='/:@!$&()*+,;=~')}" + (f"?{query}" if query else ""),
            headers=[*_end_to_end(scope["headers"])],
            content=await request.body(),
            # A model may think for long; Ray Serve has a limit of its own.
            extensions={"timeout": {"connect": 5.0, "read": None, "write": 60.0, "pool": None}},
        )
        try:
            answer = await self._transport.handle_async_request(sent)
        except httpx.TransportError as error:
            return self._failed(
                EngineUnavailableError(
                    f"the server of replica {self._replica} does not answer "
                    f"({type(error).__name__})",
                    reason="engine",
                )
            )
        response = StreamingResponse(_pieces(answer), answer.status_code)
        response.raw_headers = [
            (name, value)
            for name, value in _end_to_end(answer.headers.raw)
            if name.lower() not in _OF_WRITER
        ]
        response.headers[REPLICA_HEADER] = self._replica
        return response

    async def close(self) -> None:
        """Let go of the connections."""
        await self._transport.aclose()

    def _failed(self, error: ApiError) -> Response:
        headers = {**error.headers, REPLICA_HEADER: self._replica}
        return JSONResponse(error.to_body(), error.status, headers)


def changes_one(method: str, path: str) -> bool:
    """Whether a request changes, or asks, what each server has for itself.

    Args:
        method: of HTTP.
        path: without a root path.
    """
    if path.rstrip("/") in OPERATED:
        return True
    changes = method not in {"GET", "HEAD", "OPTIONS"} and path.startswith(OWN_PATHS)
    return changes and path not in {IDENTIFY, _EXPLAIN}


def _end_to_end(headers: Iterable[RawHeader]) -> Iterable[RawHeader]:
    return ((name, value) for name, value in headers if name.lower() not in _OF_CONNECTION)


async def _pieces(answer: Any) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.stream:
            yield piece
    finally:
        # Also where the client has left: the server sees that, and stops writing.
        await answer.aclose()
