"""A request's messages: read ahead, and given again."""

from __future__ import annotations

from starlette.types import Message, Receive


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
