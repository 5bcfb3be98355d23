"""The ASGI layer that lets requests in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import scopes
from server.access.admission import admit, body_limit, too_large
from server.access.client import Client
from server.access.limited_body import LimitedBody
from server.access.occupancy import Occupancy
from server.access.rate import Rate
from server.access.rules import Rules
from server.denial import deny
from server.errors import ApiError
from server.exchange import RawHeader
from server.metrics import Metrics


class AccessMiddleware:
    """Refuses requests without a key, and those that are too many or too large.

    What it lets in passes untouched, but for two headers of the answer where there is a rate.

    Args:
        app: what comes next.
        rules: gives what holds now.
        metrics: where refusals are counted.
    """

    def __init__(self, app: ASGIApp, *, rules: Callable[[], Rules], metrics: Metrics) -> None:
        self.app = app
        self._rules = rules
        self._metrics = metrics
        self._occupancy = Occupancy()
        self._rate = Rate()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            return await self.app(scope, receive, send)
        # Read once: one request sees one file, whatever is loaded meanwhile.
        rules = self._rules()
        client: Client | None = None
        try:
            client = admit(rules, scope)
            if client is not None:
                self._occupancy.take(client, rules.server.concurrent)
        except ApiError as error:
            return await self._refuse(error, scope, receive, send)
        if client is None:
            return await self._pass(rules, scope, receive, send)
        try:
            try:
                told = await self._rate.hit(client)
            except ApiError as error:
                return await self._refuse(error, scope, receive, send)
            await self._pass(rules, scope, receive, _telling(send, told) if told else send)
        finally:
            # The application returns once the answer is sent or its client gone, or raises.
            self._occupancy.release(client)

    async def _pass(self, rules: Rules, scope: Scope, receive: Receive, send: Send) -> None:
        limit = body_limit(rules)
        if limit is None or scope["type"] != "http" or scopes.content_length(scope) is not None:
            return await self.app(scope, receive, send)

        async def refuse() -> None:
            await self._refuse(too_large(limit, endless=True), scope, receive, send)

        body = LimitedBody(receive, send, limit, refuse)
        try:
            await self.app(scope, body.receive, body.send)
        except Exception:
            # The application may well object to a client that leaves in the middle of its body.
            if not body.over:
                raise

    async def _refuse(self, error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
        self._metrics.refused(error.reason)
        response = JSONResponse(error.to_body(), error.status, error.headers)
        if scope["type"] == "websocket":
            return await deny(response, str(error), scope, receive, send)
        return await response(scope, receive, send)


def _telling(send: Send, told: tuple[RawHeader, ...]) -> Send:
    """A channel that adds headers to the answer."""

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: list[Any] = [*message.get("headers", ()), *told]
            message = {**message, "headers": headers}
        await send(message)

    return telling
