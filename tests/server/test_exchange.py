from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

CHAT = "/v1/chat/completions"


async def test_streams_pass_untouched(stack: Any) -> None:
    stack.upstream.kind = b"text/event-stream; charset=utf-8"
    stack.upstream.chunks = [b'data: {"a": 1}\n\n', b"data: [DONE]\n\n"]
    answer = await stack.raw(b'{"steering": {"target": "de"}, "stream": true}')
    assert answer.content == b"".join(stack.upstream.chunks)
    assert "x-steering-profile" in answer.headers
    assert stack.counted("ok") == 1


@pytest.mark.parametrize("chunk", [b'data: {"error": {"code": 500}}\n\n', b"event: error\ndata:"])
async def test_an_error_inside_a_stream_counts_as_one(stack: Any, chunk: bytes) -> None:
    stack.upstream.kind = b"text/event-stream"
    stack.upstream.chunks = [b"data: {}\n\n", chunk]
    await stack.raw(b'{"steering": {"target": "de"}, "stream": true}')
    assert (stack.counted("error"), stack.counted("ok")) == (1, 0)


async def test_upstream_errors_name_no_profile(stack: Any) -> None:
    stack.upstream.status = 404
    answer = await stack.raw(b'{"steering": {"target": "de"}}')
    assert "x-steering-profile" not in answer.headers
    assert stack.counted("error") == 1


def _scope() -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "path": CHAT,
        "headers": [(b"content-type", b"application/json")],
    }


async def _run(stack: Any, messages: list[Message], send: Callable[[Message], None]) -> None:
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting, {"type": "http.disconnect"})

    async def forward(message: Message) -> None:
        send(message)

    await stack.app(_scope(), receive, forward)


STEERED: Message = {"type": "http.request", "body": b'{"steering": {"target": "de"}}'}


async def test_client_that_leaves_while_sending(stack: Any) -> None:
    sent: list[Message] = []
    await _run(stack, [{"type": "http.request", "body": b"{", "more_body": True}], sent.append)
    assert (sent, stack.upstream.calls) == ([], 0)


async def test_client_that_leaves_mid_stream_is_cancelled(stack: Any) -> None:
    stack.upstream.wait = asyncio.Event()
    await _run(stack, [STEERED], lambda message: None)
    assert (stack.counted("cancelled"), stack.counted("ok")) == (1, 0)


async def test_client_that_leaves_after_the_answer_got_it(stack: Any) -> None:
    await _run(stack, [STEERED], lambda message: None)
    assert stack.counted("ok") == 1


async def test_broken_pipe_is_cancelled(stack: Any) -> None:
    def broken(message: Message) -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await _run(stack, [STEERED], broken)
    assert stack.counted("cancelled") == 1


@pytest.mark.parametrize(
    ("error", "outcome"), [(RuntimeError("x"), "error"), (asyncio.CancelledError(), "cancelled")]
)
async def test_crash_and_cancellation_are_told_apart(
    stack: Any, error: BaseException, outcome: str
) -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    stack.app.app = fail
    with pytest.raises(type(error)):
        await _run(stack, [STEERED], lambda message: None)
    assert stack.counted(outcome) == 1


async def test_metrics_are_refreshed_when_asked_for(stack: Any) -> None:
    await stack.client.get("/metrics")
    await stack.client.get("/health")
    assert stack.refreshed == 1


async def test_other_scopes_pass(stack: Any) -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    stack.app.app = app

    async def nothing(*_: Any) -> Any: ...

    for kind in ("lifespan", "websocket"):
        await stack.app({"type": kind, "path": "/v1/realtime", "headers": []}, nothing, nothing)
    assert seen == ["lifespan", "websocket"]
