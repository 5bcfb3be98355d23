"""Answers as vLLM's endpoints send them, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Event = tuple[str, Any]


def _split(text: str) -> list[str]:
    return [text[start : start + 6] for start in range(0, len(text), 6)]


def events(values: Iterable[Any], done: bool = True) -> bytes:
    """A stream in the OpenAI form."""
    lines = [f"data: {json.dumps(value, ensure_ascii=False)}\n\n" for value in values]
    return ("".join(lines) + "data: [DONE]\n\n" * done).encode()


def named(values: Iterable[Any]) -> bytes:
    """A stream whose events have names, as those of responses and messages."""
    return "".join(
        f"event: {value['type']}\r\ndata: {json.dumps(value, ensure_ascii=False)}\r\n\r\n"
        for value in values
    ).encode()


def completion(*texts: str) -> bytes:
    choices = [
        {"index": i, "text": text, "logprobs": {"tokens": ["the English words of a token"] * 9}}
        for i, text in enumerate(texts)
    ]
    return json.dumps({"id": "cmpl-1", "choices": choices, "usage": {}}).encode()


def completion_stream(*texts: str) -> bytes:
    return events(
        {"id": "cmpl-1", "choices": [{"index": i, "text": each, "logprobs": None}]}
        for i, text in enumerate(texts)
        for each in _split(text)
    )


_CALL = [{"index": 0, "function": {"name": "f", "arguments": '{"a": "English words"}'}}]


def chat(text: str, reasoning: str = "") -> bytes:
    message = {"role": "assistant", "content": text, "reasoning": reasoning or None}
    choice = {"index": 0, "message": {**message, "tool_calls": _CALL}}
    return json.dumps({"id": "chatcmpl-1", "choices": [choice]}).encode()


def chat_stream(text: str, reasoning: str = "", key: str = "reasoning") -> bytes:
    def chunk(delta: Any) -> Any:
        return {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": delta}]}

    return events(
        [
            chunk({"role": "assistant", "content": ""}),
            *(chunk({key: each}) for each in _split(reasoning)),
            *(chunk({"content": each}) for each in _split(text)),
            chunk({"tool_calls": _CALL}),
            {"id": "chatcmpl-1", "choices": [], "usage": {"total_tokens": 3}},
        ]
    )


def _response(text: str, reasoning: str) -> dict[str, Any]:
    thought = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": reasoning}]}
    said = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    call = {"type": "function_call", "arguments": '{"a": "English words"}'}
    output = [*([{**thought, "summary": []}] if reasoning else []), said, call]
    return {"id": "resp_1", "object": "response", "error": None, "output": output}


def response(text: str, reasoning: str = "") -> bytes:
    return json.dumps(_response(text, reasoning)).encode()


def response_stream(text: str, reasoning: str = "") -> bytes:
    thought = [{"type": "response.reasoning_text.delta", "delta": d} for d in _split(reasoning)]
    said = [{"type": "response.output_text.delta", "delta": d} for d in _split(text)]
    return named(
        [
            {"type": "response.created", "response": {"id": "resp_1"}},
            *thought,
            *said,
            {"type": "response.output_text.done", "text": text},
            {"type": "response.function_call_arguments.delta", "delta": "English words"},
            {"type": "response.completed", "response": _response(text, reasoning)},
        ]
    )


def message(text: str, reasoning: str = "") -> bytes:
    blocks = [{"type": "thinking", "thinking": reasoning}] if reasoning else []
    content = [*blocks, {"type": "text", "text": text}, {"type": "tool_use", "input": {"a": "b"}}]
    return json.dumps({"id": "msg_1", "type": "message", "content": content}).encode()


def message_stream(text: str, reasoning: str = "") -> bytes:
    def block(delta: Any) -> Any:
        return {"type": "content_block_delta", "index": 0, "delta": delta}

    return named(
        [
            {"type": "message_start", "message": {"id": "msg_1", "content": []}},
            *(block({"type": "thinking_delta", "thinking": d}) for d in _split(reasoning)),
            *(block({"type": "text_delta", "text": d}) for d in _split(text)),
            block({"type": "input_json_delta", "partial_json": "English words"}),
            {"type": "message_stop"},
        ]
    )
