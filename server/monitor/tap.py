"""Watches one answer go out: looks at each message after it was sent, and changes none."""

from __future__ import annotations

from starlette.types import Message, Send

from server.monitor.form import LARGEST, form_of, header
from server.monitor.monitor import Monitor
from server.monitor.subject import Subject
from server.monitor.watch import Watch

_HANDED_OVER = 16 << 10  # bytes of a stream; fewer would only make more jobs


class Tap:
    """Between the application and the server's channel.

    On the event loop it only keeps references to the bytes that were sent. What a client that left
    did not get is not judged.

    Args:
        send: the server's channel.
        subject: the request's.
        monitor: gets the answer.
        request_id: of the request; "" where it has none.

    Attributes:
        subject: as given; may be changed before the answer starts.
    """

    def __init__(
        self, send: Send, subject: Subject, monitor: Monitor, request_id: str = ""
    ) -> None:
        self._send = send
        self.subject = subject
        self._monitor = monitor
        self._request_id = request_id
        self._watch: Watch | None = None
        self._stream = False
        self._complete = False
        self._chunks: list[bytes] = []
        self._size = 0

    async def send(self, message: Message) -> None:
        """Send a message on, then look at it."""
        await self._send(message)
        if message["type"] == "http.response.start":
            self._start(message)
        elif self._watch is not None and message["type"] == "http.response.body":
            self._keep(self._watch, message.get("body", b""))
            if not message.get("more_body", False):
                self._complete = True
                self.end()

    def end(self) -> None:
        """Nothing more will be sent; may be called again."""
        # Of a stream what came can be read; half a document cannot.
        if self._watch is not None and (self._stream or self._complete):
            self._hand_over(self._watch, end=True)
        self._watch = None

    def _start(self, message: Message) -> None:
        form, readable = form_of(message)
        self._stream = form == "stream"
        if message["status"] >= 300 or not readable:
            return
        told = (header(message, b"x-request-id") or b"").decode("latin-1")[:128]
        request_id = told or self._request_id
        self._watch = self._monitor.watch(self.subject, stream=self._stream, request_id=request_id)

    def _keep(self, watch: Watch, body: bytes) -> None:
        self._chunks.append(body)
        self._size += len(body)
        if self._stream and self._size >= _HANDED_OVER:
            self._hand_over(watch, end=False)
        elif self._size > LARGEST:
            self._monitor.too_large()
            self._watch, self._chunks = None, []

    def _hand_over(self, watch: Watch, *, end: bool) -> None:
        chunks, size = self._chunks, self._size
        self._chunks, self._size = [], 0
        if not self._monitor.take(watch, chunks, size, end=end):
            self._watch = None
