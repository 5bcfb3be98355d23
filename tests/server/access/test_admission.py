from __future__ import annotations

import hmac
from typing import Any

import pytest

from server.keyring import hash_key
from server.routes import OPEN, OPERATED
from tests.server.access.conftest import ACME, KEYS, OPERATOR, Door

GUARDED = (
    *("/v1/completions", "/v1/models", "/v2/embed", "/inference/v1/generate", "/cohere/v2/chat"),
    # What vLLM's own check leaves open, and what makes text all the same.
    *("/invocations", "/tokenize", "/pooling", "/generative_scoring", "/docs", "/openapi.json"),
    *("/v1/steering/profiles", "/next-years-endpoint", "/", "/healthy", "/health/x", "/v1/health"),
)


@pytest.mark.parametrize("path", GUARDED)
async def test_nobody_gets_in_without_a_key(path: str) -> None:
    door = Door(KEYS)
    for headers in ([], [("authorization", "Bearer x")], [("authorization", f"Basic {ACME}")]):
        for method in ("GET", "POST", "HEAD", "DELETE"):
            call = await door.ask(path, headers=headers, method=method)
            assert (call.status, call.headers["www-authenticate"]) == (401, "Bearer")
            assert call.error["type"] == "AuthenticationError"
            assert call.error["code"] == 401
            assert call.read == 0, "the body was read"
    assert (door.calls, door.refusals("unauthorized"), door.in_flight) == (0, 12, 0)


@pytest.mark.parametrize("key", [ACME, "acme-new", OPERATOR])
async def test_every_key_of_the_file_opens(key: str) -> None:
    door = Door(KEYS)
    assert (await door.ask(key=key)).status == 200
    assert (await door.ask(headers=[("x-api-key", key)])).status == 200
    assert (await door.ask(headers=[("x-api-key", key)], key="of-a-gateway")).status == 200
    assert (await door.ask(key=hash_key(key))).status == 401


async def test_one_request_has_one_owner_and_few_keys() -> None:
    door = Door(KEYS)
    assert (await door.ask(key=ACME, headers=[("x-api-key", OPERATOR)])).status == 400
    assert (await door.ask(key=ACME, headers=[("x-api-key", "x")] * 3)).status == 200
    assert (await door.ask(key=ACME, headers=[("x-api-key", "x")] * 4)).status == 401


async def test_health_and_preflight_stay_open() -> None:
    door = Door(KEYS + "limits: {requests_per_minute: 1, concurrent: 1}")
    for path in sorted(OPEN):
        assert (await door.ask(path, method="GET")).status == 200
        assert (await door.ask(f"/api{path}", method="GET", root_path="/api")).status == 200
    assert (await door.ask(method="OPTIONS")).status == 200
    assert (await door.ask("/v1/completions/health", method="GET")).status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/steering/profiles/reload"),
        ("POST", "/v1/steering/profiles/de/unload"),
        ("GET", "/v1/steering/status"),
        ("GET", "/v1/steering/access"),
        ("GET", "/v1/steering/policy"),
        ("GET", "/is_sleeping"),
        ("POST", "/sleep/"),
        *(("POST", path) for path in sorted(OPERATED)),
    ],
)
async def test_operating_needs_an_admin_key_once_there_is_one(method: str, path: str) -> None:
    door = Door(KEYS)
    call = await door.ask(path, ACME, method=method)
    assert (call.status, call.error["type"], door.calls) == (403, "PermissionDeniedError", 0)
    assert (await door.ask(path, method=method)).status == 401
    assert (await door.ask(path, OPERATOR, method=method)).status == 200
    assert (await Door(KEYS.replace("true", "false")).ask(path, ACME, method=method)).status == 200


async def test_profiles_are_everybodys_to_read() -> None:
    door = Door(KEYS)
    for path in ("/v1/steering/profiles", "/v1/steering/profiles/de"):
        assert (await door.ask(path, ACME, method="GET")).status == 200


async def test_every_hash_is_compared_whichever_key_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    real = hmac.compare_digest

    def counting(a: Any, b: Any) -> bool:
        compared[-1] += 1
        return real(a, b)

    monkeypatch.setattr("server.keyring.hmac.compare_digest", counting)
    door = Door(KEYS)
    for key in (ACME, "acme-new", OPERATOR, "nobody's"):
        compared.append(0)
        await door.ask(key=key)
    assert compared == [3, 3, 3, 3]


async def test_headers_are_limited_together() -> None:
    door = Door("server: {max_headers_kb: 1}")
    assert (await door.ask(headers=[("a", "x" * 1023)])).status == 200
    for path in ("/v1/completions", "/health"):
        call = await door.ask(path, headers=[("a", "x" * 500), ("b", "x" * 523)])
        assert (call.status, call.headers["connection"]) == (431, "close")
    assert (door.calls, door.refusals("headers_too_large")) == (1, 2)


class Socket:
    """A websocket's handshake."""

    def __init__(self, door: Door, key: str | None, **more: Any) -> None:
        headers = [(b"authorization", f"Bearer {key}".encode())] if key else []
        self.scope = {"type": "websocket", "path": "/v1/realtime", "headers": headers, **more}
        self.door = door
        self.sent: list[Any] = []

    async def run(self) -> list[Any]:
        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            self.sent.append(message)

        await self.door.layer(self.scope, receive, send)
        return self.sent


async def accept(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})


async def test_websockets_need_a_key_too() -> None:
    door = Door(KEYS + "server: {max_body_mb: 1}", accept)
    assert (await Socket(door, ACME).run())[0]["type"] == "websocket.accept"
    (closed,) = await Socket(door, None).run()
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    extensions = {"websocket.http.response": {}}
    start, _ = await Socket(door, "x", extensions=extensions).run()
    assert start["status"] == 401
    assert (b"www-authenticate", b"Bearer") in start["headers"]
    assert (door.calls, door.in_flight) == (1, 0)


async def test_the_servers_own_messages_pass() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    door = Door(KEYS, app)
    await door.layer({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]
