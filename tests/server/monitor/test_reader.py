from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.monitor.reader import Reader
from tests.server.monitor import answers

TEXT = "Grüße aus Köln — 日本語も、\u2028 und 😀 auch."
THOUGHT = "Der Nutzer grüßt; 私は答える。"
WHOLE = [answers.chat, answers.response, answers.message]
STREAMS = [answers.chat_stream, answers.response_stream, answers.message_stream]


def read(chunks: Iterable[bytes], stream: bool) -> tuple[dict[tuple[int, str], str], Reader]:
    reader = Reader(stream=stream)
    texts: dict[tuple[int, str], str] = defaultdict(str)
    for piece in [*(p for chunk in chunks for p in reader.feed(chunk)), *reader.end()]:
        texts[piece.choice, piece.part] += piece.text
    return dict(texts), reader


@pytest.mark.parametrize("answer", [*WHOLE, *STREAMS])
def test_text_and_reasoning_of_every_endpoint_and_nothing_else(
    answer: Callable[..., bytes],
) -> None:
    stream = answer in STREAMS
    texts, reader = read([answer(TEXT, THOUGHT)], stream)
    assert texts == {(0, "answer"): TEXT, (0, "reasoning"): THOUGHT}
    assert (reader.failed, reader.broken) == (False, False)
    assert read([answer(TEXT)], stream)[0] == {(0, "answer"): TEXT}


def test_ids() -> None:
    assert read([answers.chat(TEXT)], False)[1].answer_id == "chatcmpl-1"
    assert read([answers.completion_stream(TEXT)], True)[1].answer_id == "cmpl-1"


def test_every_choice_by_itself() -> None:
    expected = {(0, "answer"): "eins", (1, "answer"): "zwei drei vier"}
    assert read([answers.completion("eins", "zwei drei vier")], False)[0] == expected
    assert read([answers.completion_stream("eins", "zwei drei vier")], True)[0] == expected


def test_the_older_name_of_reasoning() -> None:
    stream = answers.chat_stream(TEXT, THOUGHT, key="reasoning_content")
    assert read([stream], True)[0][0, "reasoning"] == THOUGHT


@given(
    st.sampled_from([answers.completion_stream, *STREAMS]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.lists(st.integers(0, 40), max_size=60),
)
def test_wherever_the_bytes_are_cut_the_text_is_the_same(
    answer: Callable[..., bytes], text: str, steps: list[int]
) -> None:
    data = answer(text)
    chunks, start = [], 0
    for step in steps:
        chunks.append(data[start : start + step])
        start += step
    assert read([*chunks, data[start:]], True)[0] == ({(0, "answer"): text} if text else {})


def test_every_single_byte_alone() -> None:
    data = answers.message_stream(TEXT, THOUGHT)
    assert read([bytes([byte]) for byte in data], True)[0] == {
        (0, "answer"): TEXT,
        (0, "reasoning"): THOUGHT,
    }


def test_of_a_stream_that_breaks_off_what_came_counts() -> None:
    data = answers.completion_stream("eins zwei drei vier")
    for end in range(len(data)):
        texts, reader = read([data[:end]], True)
        assert "eins zwei drei vier".startswith(texts.get((0, "answer"), ""))
        assert (reader.failed, reader.broken) == (False, False)


@pytest.mark.parametrize(
    ("data", "stream"),
    [
        (b'{"error": {"code": 404}}', False),
        (b'data: {"choices": []}\n\ndata: {"error": {"code": 500}}\n\n', True),
        (b'event: error\ndata: {"type": "error"}\n\n', True),
        (b'data: {"type": "response.failed", "response": {}}\n\n', True),
    ],
)
def test_errors(data: bytes, stream: bool) -> None:
    texts, reader = read([data], stream)
    assert (texts, reader.failed, reader.broken) == ({}, True, False)


@pytest.mark.parametrize(
    ("data", "stream"),
    [(b"not json", False), (b'{"a": ', False), (b"[" * 100_000, False), (b"data: {no}\n", True)],
)
def test_what_is_no_answer_is_said_to_be_none(data: bytes, stream: bool) -> None:
    assert read([data], stream)[1].broken


def test_a_line_without_end_is_given_up() -> None:
    texts, reader = read([b"data: {" + b"x" * (1 << 20), b"x" * 100], True)
    assert (texts, reader.broken) == ({}, True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "message", "content", "text", "type", "output", "error", "id"]
            ),
            inner | st.sampled_from(["message", "reasoning", "text", "content_block_delta"]),
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_document_breaks_it(value: object) -> None:
    read([json.dumps(value).encode()], False)
