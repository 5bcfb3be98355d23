"""A web server on this machine that can misbehave, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What is sent for a GET.

    Attributes:
        body: the file.
        status: other than 200 as it is, without a look at the request's range.
        headers: further ones.
        ranged: whether parts are given.
        cut: bytes after which the connection breaks, of each answer so far; None sends all.
        length: what Content-Length says, -1 for none at all.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    ranged: bool = True
    cut: list[int | None] = field(default_factory=list)
    length: int | None = None


@dataclass
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class WebServer:
    """`files` by path; an entry may be bytes, an `Answer`, or make one from the request."""

    url: str
    port: int
    files: dict[str, bytes | Answer | Callable[[Asked], Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def ranges(self, path: str) -> list[str | None]:
        """The Range headers of the requests for a path."""
        return [asked.headers.get("range") for asked in self.asked if asked.path == path]

    def answer(self, asked: Asked) -> Answer:
        found = self.files.get(asked.path.partition("?")[0])
        if callable(found):
            return found(asked)
        if isinstance(found, bytes):
            return Answer(found)
        return found or Answer(b"not here", 404)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: WebServer

    def do_GET(self) -> None:
        asked = Asked("GET", self.path, {k.lower(): v for k, v in self.headers.items()})
        self.served.asked.append(asked)
        answer = self.served.answer(asked)
        body, status, headers = answer.body, answer.status, dict(answer.headers)
        wanted = asked.headers.get("range")
        if status == 200 and wanted and answer.ranged:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                status, headers["Content-Range"] = 416, f"bytes */{len(body)}"
                body = b""
            else:
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                status, body = 206, body[start:]
        cut = answer.cut.pop(0) if answer.cut else None
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if answer.length != -1:
            length = len(body) if answer.length is None else answer.length
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None or answer.length is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def web_server() -> Iterator[WebServer]:
    """A server on a free port, until the context ends."""
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        port = listening.server_address[1]
        handler.served = WebServer(f"http://127.0.0.1:{port}", port)  # type: ignore[attr-defined]
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield handler.served  # type: ignore[attr-defined]
        finally:
            listening.shutdown()
            thread.join()
