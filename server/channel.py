"""A request's messages: read ahead, and given again."""

from __future__ import annotations

from typing import Any

from starlette.types import Message, Receive, Scope

from server import scopes
from server.body import Body
from steering.request import SteeringRequest


async def read(receive: Receive, limit: int | None) -> tuple[list[Message], bool]:
    """The messages of a body, and whether that is all of it; stops early beyond `limit` bytes."""
    messages: list[Message] = []
    size = 0
    while True:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return messages, True
        if limit is not None and size > limit:
            return messages, False


def replay(messages: list[Message], receive: Receive) -> Receive:
    """A channel that gives `messages` first, then whatever `receive` gives."""
    waiting = iter(messages)

    async def channel() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return channel


def replaced(
    scope: Scope, receive: Receive, fields: dict[str, Any], request: SteeringRequest | None
) -> tuple[Scope, Receive]:
    """Scope and channel of a request whose body is now `fields`, and the steering with it."""
    body = Body.rewritten(fields, request)
    message: Message = {"type": "http.request", "body": body, "more_body": False}
    return scopes.resized(scope, len(body)), replay([message], receive)
