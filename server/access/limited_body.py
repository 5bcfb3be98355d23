"""A body of a length that nobody has declared, counted while it is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.types import Message, Receive, Send


class LimitedBody:
    """Passes messages on, until a request's body is larger than it may be.

    Then the application sees the client leave, whatever it was about to answer goes nowhere, and
    the client is refused, or, where an answer had begun, disconnected.

    Args:
        receive, send: the server's channels.
        limit: bytes.
        refuse: answers the client.

    Attributes:
        over: whether it was too large.
    """

    def __init__(
        self, receive: Receive, send: Send, limit: int, refuse: Callable[[], Awaitable[None]]
    ) -> None:
        self._receive = receive
        self._send = send
        self._limit = limit
        self._refuse = refuse
        self._size = 0
        self._started = False
        self.over = False

    async def receive(self) -> Message:
        """The server's next message."""
        if self.over:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size <= self._limit:
            return message
        self.over = True
        if not self._started:
            await self._refuse()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Hand one message to the server; an answer that stays open makes it hang up."""
        if not self.over:
            self._started = True
            await self._send(message)
