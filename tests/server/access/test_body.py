from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request

from server.access.limited_body import LimitedBody
from tests.server.access.conftest import ACME, KEYS, Door

MB = 1 << 20
LIMITED = "server: {max_body_mb: 1}"
CHUNKED = [("transfer-encoding", "chunked")]


async def test_a_declared_length_is_refused_at_once() -> None:
    door = Door(LIMITED)
    call = await door.ask(headers=[("content-length", str(MB + 1))])
    assert (call.status, call.error["code"], call.read) == (413, 413, 0)
    # The client may be in the middle of sending: closing would lose it the answer.
    assert "connection" not in call.headers
    assert (await door.ask("/ping", headers=[("content-length", "9" * 5000)])).status == 413
    assert (await door.ask(headers=[("content-length", str(MB))])).status == 200
    assert (door.calls, door.refusals("too_large")) == (1, 2)


async def test_without_a_key_nobody_learns_the_limit() -> None:
    call = await Door(KEYS + LIMITED).ask(headers=[("content-length", str(MB + 1))])
    assert call.status == 401


async def test_a_length_nobody_declared_is_counted_while_it_is_read() -> None:
    door = Door(LIMITED)
    chunk = b"x" * (MB // 4)
    call = await door.ask(headers=CHUNKED, body=[chunk] * 4)
    assert (call.status, call.sent[1]["body"]) == (200, str(MB).encode())
    for headers in (CHUNKED, [], [*CHUNKED, ("content-length", "5")], [("content-length", "-1")]):
        call = await door.ask(headers=headers, body=[chunk] * 100)
        assert (call.status, call.error["code"], call.read) == (413, 413, 5)
        assert (len(call.sent), call.headers["connection"]) == (2, "close")
    assert door.in_flight == 0


@pytest.mark.parametrize("error", [ClientDisconnect(), RuntimeError("no whole body")])
async def test_an_application_that_objects_changes_nothing(error: Exception) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        assert (await receive())["type"] == "http.disconnect"
        # FastAPI answers 400 to a body that it could not read.
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b"bad"})
        raise error

    door = Door(KEYS + LIMITED, app)
    call = await door.ask(key=ACME, headers=CHUNKED, body=[b"x" * MB, b"x", b"x"])
    assert (call.status, len(call.sent), door.in_flight) == (413, 2, 0)


async def test_starlette_reads_it_as_a_client_that_left() -> None:
    seen: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await Request(scope, receive).body()
        except ClientDisconnect:
            seen.append(True)
            raise

    call = await Door(LIMITED, app).ask(headers=CHUNKED, body=[b"x" * MB, b"x", b"x"])
    assert (call.status, seen) == (413, [True])


async def test_an_answer_that_had_begun_is_cut_off() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"the end"})

    call = await Door(LIMITED, app).ask(headers=CHUNKED, body=[b"x" * MB, b"x", b"x"])
    # Never completed, so that the server closes the connection.
    assert [message.get("body") for message in call.sent] == [None, b"a"]


async def test_what_fails_for_its_own_reasons_fails() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("its own")

    with pytest.raises(RuntimeError, match="its own"):
        await Door(LIMITED, app).ask(headers=CHUNKED)


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=9), st.integers(1, 30))
async def test_all_of_it_or_a_refusal(chunks: list[bytes], limit: int) -> None:
    messages = [
        {"type": "http.request", "body": chunk, "more_body": i + 1 < len(chunks)}
        for i, chunk in enumerate(chunks)
    ]
    refused: list[bool] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        raise AssertionError("nothing was sent")

    async def refuse() -> None:
        refused.append(True)

    body = LimitedBody(receive, send, limit, refuse)
    got = b""
    while (message := await body.receive())["type"] == "http.request":
        got += message["body"]
        assert len(got) <= limit
        if not message["more_body"]:
            break
    whole = b"".join(chunks)
    assert body.over is (len(whole) > limit)
    assert refused == [True] * body.over
    if not body.over:
        assert got == whole
