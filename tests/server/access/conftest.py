"""The access layer around an application that does as it is told, driven message by message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.access.load import load
from server.access.middleware import AccessMiddleware
from server.keyring import hash_key
from server.metrics import Metrics

ACME, OPERATOR = "acme-key", "operator-key"
KEYS = f"""
keys:
  - {{name: acme, hashes: ["{hash_key(ACME)}", "{hash_key("acme-new")}"]}}
  - {{name: operators, hashes: ["{hash_key(OPERATOR)}"], admin: true}}
"""


def bearer(key: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {key}"),)


def scope_of(
    path: str = "/v1/completions",
    headers: Iterable[tuple[str, str]] = (),
    *,
    method: str = "POST",
    host: str = "10.0.0.1",
    **more: Any,
) -> Scope:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    base = {"type": "http", "method": method, "path": path, "headers": raw, "client": (host, 1)}
    return {**base, **more}


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads all of the body, answers 200."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


class Call:
    """One request: what is received is given, what is sent is kept."""

    def __init__(self, app: ASGIApp, scope: Scope, body: Iterable[bytes] = (b"",)) -> None:
        self.sent: list[Message] = []
        self.read = 0
        chunks = [*body]
        self._messages = [
            {"type": "http.request", "body": chunk, "more_body": i + 1 < len(chunks)}
            for i, chunk in enumerate(chunks)
        ]
        self.left = asyncio.Event()
        self._app = app
        self._scope = scope

    async def run(self) -> Call:
        await self._app(self._scope, self._receive, self._send)
        return self

    async def _receive(self) -> Message:
        self.read += 1
        if self._messages:
            return self._messages.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.sent[1]["body"])["error"]
        return error


class Door:
    """The layer, its metrics, and what is behind it."""

    def __init__(self, text: str, app: ASGIApp = answer) -> None:
        self.registry = CollectorRegistry()
        self.rules = load(text.encode())
        self.behind = app
        self.calls = 0
        self.layer = AccessMiddleware(
            self._counted, rules=lambda: self.rules, metrics=Metrics(self.registry)
        )

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        await self.behind(scope, receive, send)

    def call(
        self,
        path: str = "/v1/completions",
        key: str | None = None,
        *,
        body: Iterable[bytes] = (b"",),
        headers: Iterable[tuple[str, str]] = (),
        **more: Any,
    ) -> Call:
        sent = [*(bearer(key) if key else ()), *headers]
        return Call(self.layer, scope_of(path, sent, **more), body)

    async def ask(self, *arguments: Any, **more: Any) -> Call:
        return await self.call(*arguments, **more).run()

    @property
    def in_flight(self) -> int:
        occupancy = self.layer._occupancy
        assert occupancy.total == sum(occupancy._of.values())
        return occupancy.total

    def refusals(self, reason: str) -> float:
        name = "langsteer_requests_refused_total"
        return self.registry.get_sample_value(name, {"reason": reason}) or 0


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come to that")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """clock(seconds): lets time pass; it begins with a minute, half a second in."""
    now = [1_800_000_000.5]
    monkeypatch.setattr("time.time", lambda: now[0])

    def forward(seconds: float) -> None:
        now[0] += seconds

    return forward


Handler = Callable[[Scope, Receive, Send], Awaitable[None]]
