"""From the bytes of an answer to its texts, whole or as a stream of events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

Part = Literal["answer", "reasoning"]
_LONGEST_LINE = 1 << 20
_DELTAS: Mapping[str, Part] = {
    "response.output_text.delta": "answer",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}
_FAILED = frozenset({"error", "response.failed"})


class Piece(NamedTuple):
    """Some text of an answer.

    Attributes:
        choice: which of several (`n`, a list of prompts), from 0.
        part: of the answer itself, or of the reasoning before it.
        text: the characters that came.
    """

    choice: int
    part: Part
    text: str


class Reader:
    """Reads one answer; bytes may be cut anywhere, within a character too.

    Knows completions, chat completions, responses and messages by their form. Arguments of tools,
    log-probabilities and anything else that is not text are passed over.

    Args:
        stream: whether these are server-sent events.

    Attributes:
        answer_id: `id` of the answer, "" until it is seen.
        failed: an error was in the place of an answer, or came after some of it.
        broken: it is not what these endpoints send.
    """

    def __init__(self, *, stream: bool) -> None:
        self.answer_id = ""
        self.failed = False
        self.broken = False
        self._stream = stream
        self._rest = b""

    def feed(self, data: bytes) -> list[Piece]:
        """More bytes came: the text in them; of a whole document, nothing before `end`."""
        if not self._stream:
            self._rest += data
            return []
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self.broken, self._rest = True, b""
        return [piece for line in lines for piece in self._line(line)]

    def end(self) -> list[Piece]:
        """Nothing more comes: the text in what was left."""
        rest, self._rest = self._rest, b""
        # An event without its end never got to the client as one.
        return [] if self._stream else list(self._document(rest))

    def _line(self, line: bytes) -> Iterator[Piece]:
        if line.startswith(b"data:") and b"{" in line:
            yield from self._document(line[5:])

    def _document(self, data: bytes) -> Iterator[Piece]:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            self.broken = True
            return
        if not isinstance(value, dict):
            return
        if value.get("error") or _kind(value) in _FAILED:
            self.failed = True
            return
        if not self.answer_id and isinstance(own := value.get("id"), str):
            self.answer_id = own[:128]
        for choice, part, text in _texts(value):
            if isinstance(text, str) and text:
                yield Piece(choice, part, text)


def _texts(value: Mapping[str, Any]) -> Iterator[tuple[int, Part, Any]]:
    kind = _kind(value)
    if kind in _DELTAS:
        yield 0, _DELTAS[kind], value.get("delta")
    elif kind == "content_block_delta":
        yield from _block(value.get("delta"))
    elif kind == "message":
        for block in _objects(value.get("content")):
            yield from _block(block)
    else:
        for choice in _objects(value.get("choices")):
            index = choice.get("index")
            number = index if isinstance(index, int) else 0
            yield number, "answer", choice.get("text")
            for key in ("delta", "message"):
                for part, text in _message(choice.get(key)):
                    yield number, part, text
        for item in _objects(value.get("output")):
            yield from _item(item)


def _message(message: Any) -> Iterator[tuple[Part, Any]]:
    if isinstance(message, dict):
        yield "answer", message.get("content")
        # One text under two names, in older clients' and in newer ones' way.
        yield "reasoning", message.get("reasoning") or message.get("reasoning_content")


def _block(block: Any) -> Iterator[tuple[int, Part, Any]]:
    if not isinstance(block, dict):
        return
    if _kind(block) in {"text", "text_delta"}:
        yield 0, "answer", block.get("text")
    elif _kind(block) in {"thinking", "thinking_delta"}:
        yield 0, "reasoning", block.get("thinking")


def _item(item: Mapping[str, Any]) -> Iterator[tuple[int, Part, Any]]:
    if item.get("type") == "message":
        for block in _objects(item.get("content")):
            yield 0, "answer", block.get("text")
    elif item.get("type") == "reasoning":
        for block in (*_objects(item.get("summary")), *_objects(item.get("content"))):
            yield 0, "reasoning", block.get("text")


def _kind(value: Mapping[str, Any]) -> str:
    """Its `type`, where that is text."""
    kind = value.get("type")
    return kind if isinstance(kind, str) else ""


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
