from __future__ import annotations

import pytest
from starlette.types import Message, Send

from server.hold import Hold

JSON = [(b"Content-Type", b"application/json; charset=utf-8")]


def start(headers: list[tuple[bytes, bytes]], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def run(hold: Hold, *messages: Message) -> None:
    for message in messages:
        await hold.send(message)


async def test_an_answer_is_kept_whole() -> None:
    hold = Hold(10)
    await run(hold, start(JSON, 201), body(b"abc"))
    assert (hold.status, hold.complete, hold.body()) == (201, False, b"abc")
    await run(hold, body(b"defghij", False))
    assert (hold.complete, hold.body(), hold.why, len(hold.messages)) == (
        True,
        b"abcdefghij",
        "",
        3,
    )


@pytest.mark.parametrize(
    ("headers", "data", "why"),
    [
        (JSON, b"x" * 11, "size"),
        ([(b"content-type", b"text/event-stream")], b"x", "stream"),
        ([(b"content-type", b"text/html")], b"x", "form"),
        ([*JSON, (b"content-encoding", b"gzip")], b"x", "form"),
    ],
)
async def test_what_is_not_to_be_kept_goes_on_in_order_and_unchanged(
    headers: list[tuple[bytes, bytes]], data: bytes, why: str
) -> None:
    sent: list[Message] = []
    reasons: list[str] = []

    async def send(message: Message) -> None:
        sent.append(message)

    def pass_on(reason: str) -> Send:
        reasons.append(reason)
        return send

    messages = [start(headers), body(b"ab"), body(data), body(b"", False)]
    hold = Hold(10, pass_on)
    await run(hold, *messages)
    assert (sent, reasons, hold.messages) == (messages, [why], [])
    thrown_away = Hold(10)
    await run(thrown_away, *messages)
    assert (thrown_away.why, thrown_away.messages) == (why, [])
