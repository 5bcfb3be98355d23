"""A channel that holds an answer back until somebody has read it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Message, Send

from server.monitor.form import form_of


class Hold:
    """Keeps the messages of an answer, unless it turns out not to be one for that.

    Args:
        largest: bytes to keep.
        pass_on: told why an answer cannot be kept (size, stream, form), gives the channel that it
            goes to instead; None to throw it away.

    Attributes:
        messages: what was kept.
        status: of the answer; 0 until it starts.
        complete: whether the end of it came.
        why: why it is not kept; "" where it is.
    """

    def __init__(self, largest: int, pass_on: Callable[[str], Send] | None = None) -> None:
        self.messages: list[Message] = []
        self.status = 0
        self.complete = False
        self.why = ""
        self._largest = largest
        self._pass_on = pass_on
        self._out: Send | None = None
        self._size = 0

    async def send(self, message: Message) -> None:
        """One more message."""
        if message["type"] == "http.response.start":
            self._start(message)
        elif message["type"] == "http.response.body":
            self._size += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
            if self._size > self._largest:
                self.why = self.why or "size"
        self.messages.append(message)
        if self.why:
            await self._let_go()

    def body(self) -> bytes:
        """The bytes that were kept."""
        return b"".join(message.get("body", b"") for message in self.messages)

    async def _let_go(self) -> None:
        waiting, self.messages = self.messages, []
        if self._pass_on is None:
            return
        self._out = self._out or self._pass_on(self.why)
        for message in waiting:
            await self._out(message)

    def _start(self, message: Message) -> None:
        self.status = message["status"]
        form, readable = form_of(message)
        if form != "document" or not readable:
            self.why = "stream" if form == "stream" else "form"
