"""What form an answer comes in, by the head of its response."""

from __future__ import annotations

from typing import Literal

from starlette.types import Message

Form = Literal["document", "stream", "other"]
LARGEST = 1 << 20  # bytes of a document: it is parsed at once, which holds a lock


def header(start: Message, name: bytes) -> bytes | None:
    """The last value of a response's header, None without it; `name` in small letters."""
    headers: dict[bytes, bytes] = {key.lower(): value for key, value in start.get("headers", ())}
    return headers.get(name)


def form_of(start: Message) -> tuple[Form, bool]:
    """(JSON, a stream of events, or something else; whether it can be read as it is)."""
    kind = (header(start, b"content-type") or b"").partition(b";")[0].strip()
    form: Form = "other"
    if kind == b"text/event-stream":
        form = "stream"
    elif kind == b"application/json":
        form = "document"
    return form, form != "other" and header(start, b"content-encoding") is None
