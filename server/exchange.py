"""One steered request's traffic: how it ended, and the header that says what was applied."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from starlette.types import Message, Receive, Send

Outcome = Literal["ok", "error", "cancelled"]
RawHeader = tuple[bytes, bytes]
HEADER = b"x-steering-profile"
# An error after the stream began comes with status 200, as an event (OpenAI; Responses API).
_FAILED_EVENTS = (b'data: {"error"', b"event: error", b"event: response.failed")


class Exchange:
    """Passes messages between server and application unchanged, and watches them.

    Args:
        receive, send: the server's channels.
        applied: value of the response header X-Steering-Profile, of answers that are no error.
        always: headers that every answer gets, errors included.
    """

    def __init__(
        self, receive: Receive, send: Send, applied: str, always: Iterable[RawHeader] = ()
    ) -> None:
        self._receive = receive
        self._send = send
        self._applied = applied.encode("ascii")
        self._always = tuple(always)
        self._more: tuple[RawHeader, ...] = ()
        self._status = 0
        self._stream = False
        self._failed = False
        self._gone = False
        self._complete = False

    async def receive(self) -> Message:
        """The server's next message."""
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._complete:
            self._gone = True
        return message

    async def send(self, message: Message) -> None:
        """Hand one message to the server.

        Raises:
            OSError: the client is gone (servers of ASGI 2.4 and later).
        """
        if message["type"] == "http.response.start":
            message = self._started(message)
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            if self._stream and body.startswith(_FAILED_EVENTS):
                self._failed = True
        try:
            await self._send(message)
        except OSError:
            self._gone = True
            raise
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            # What is sent after the client left goes nowhere, so it completes nothing.
            self._complete = not self._gone

    def tell(self, applied: str, more: Iterable[RawHeader]) -> None:
        """Change what an answer that is no error will say, before it starts.

        Args:
            applied: value of X-Steering-Profile.
            more: further headers.
        """
        self._applied = applied.encode("ascii")
        self._more = tuple(more)

    @property
    def gone(self) -> bool:
        """Whether the client left before it had the whole answer."""
        return self._gone

    @property
    def outcome(self) -> Outcome:
        """How the request ended; asked for once the application has returned."""
        if self._gone:
            return "cancelled"
        return "ok" if self._complete and self._status < 400 and not self._failed else "error"

    def cancel(self) -> None:
        """The application was cancelled from outside."""
        self._gone = self._gone or not self._complete

    def _started(self, message: Message) -> Message:
        self._status = message["status"]
        headers = [*message.get("headers", ()), *self._always]
        kinds = [value for key, value in headers if key.lower() == b"content-type"]
        self._stream = any(value.startswith(b"text/event-stream") for value in kinds)
        if self._status < 400:
            headers += [(HEADER, self._applied), *self._more]
        return {**message, "headers": headers}
