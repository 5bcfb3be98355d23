from __future__ import annotations

import asyncio
import gzip
import hashlib
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from profiles.judging.text import read_text
from server import scopes
from server.monitor.subject import Subject
from server.monitor.tap import Tap
from tests.server.monitor import answers

TEXT = read_text()
GERMAN = " ".join(TEXT.sentences("de")[:5])
ENGLISH = " ".join(TEXT.sentences("en")[:5])
ASK = b'{"steering": {"target": "de"}}'
PATHS = {
    "/v1/completions": (answers.completion, answers.completion_stream),
    "/v1/chat/completions": (answers.chat, answers.chat_stream),
    "/v1/responses": (answers.response, answers.response_stream),
    "/v1/messages": (answers.message, answers.message_stream),
}
POLICY = """
version: 1
defaults: {steer: false, monitor: {exclude: []}}
rules:
  - {name: strict, when: {model: strict}, target: [{language: de}], monitor: {tolerate: 0.5}}
"""


def say(stack: Any, data: bytes, *, stream: bool = False, chunk: int = 100) -> None:
    stack.upstream.kind = b"text/event-stream; charset=utf-8" if stream else b"application/json"
    stack.upstream.chunks = [data[start : start + chunk] for start in range(0, len(data), chunk)]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [False, True])
async def test_every_endpoint_is_judged_and_no_byte_is_changed(
    ruled: Any, path: str, stream: bool
) -> None:
    data = PATHS[path][stream](GERMAN)
    digests = set()
    for everything in (None, False, True):
        stack = ruled(everything=everything)
        say(stack, data, stream=stream)
        answer = await stack.raw(ASK, path=path)
        digests.add((hashlib.sha256(answer.content).digest(), str(answer.headers)))
        if everything is not None:
            assert stack.judged() == {("de", "de", "hit", "", "answer"): 1}
    assert len(digests) == 1
    assert answer.content == data


async def test_a_miss_names_the_language_found_and_reasoning_is_apart(ruled: Any) -> None:
    stack = ruled(everything=False)
    say(stack, answers.chat_stream(ENGLISH, GERMAN), stream=True)
    await stack.raw(ASK, path="/v1/chat/completions")
    assert stack.judged() == {
        ("de", "en", "miss", "", "answer"): 1,
        ("de", "de", "hit", "", "reasoning"): 1,
    }


@pytest.mark.parametrize(
    ("reasoning", "wanted", "verdict"), [('"off"', "", "none"), ('{"target": "ja"}', "ja", "miss")]
)
async def test_reasoning_steered_apart_is_held_against_its_own_language(
    ruled: Any, reasoning: str, wanted: str, verdict: str
) -> None:
    stack = ruled(everything=False)
    say(stack, answers.chat_stream(GERMAN, ENGLISH), stream=True)
    body = b'{"steering": {"target": "de", "reasoning": %s}}' % reasoning.encode()
    await stack.raw(body, path="/v1/chat/completions")
    assert stack.judged() == {
        ("de", "de", "hit", "", "answer"): 1,
        (wanted, "en", verdict, "", "reasoning"): 1,
    }


async def test_each_choice_counts(ruled: Any) -> None:
    stack = ruled(everything=False)
    say(stack, answers.completion(GERMAN, ENGLISH, GERMAN, "Ja."))
    await stack.raw(ASK)
    assert stack.judged() == {
        ("de", "de", "hit", "", "answer"): 2,
        ("de", "en", "miss", "", "answer"): 1,
        ("de", "und", "unknown", "", "answer"): 1,
    }


async def test_suppression_alone_promises_no_language_but_not_that_one(ruled: Any) -> None:
    stack = ruled(everything=False)
    say(stack, answers.completion(GERMAN, "".join(TEXT.sentences("zh")[:5])))
    await stack.raw(b'{"steering": {"suppress": ["zh"]}}')
    assert stack.judged() == {
        ("", "de", "hit", "", "answer"): 1,
        ("", "zh", "miss", "", "answer"): 1,
    }


async def test_languages_that_nobody_counts_are_one_label(ruled: Any) -> None:
    stack = ruled(everything=False)
    say(stack, answers.completion("Ez egy magyar mondat, amelyet senki sem várt itt. " * 3))
    await stack.raw(ASK)
    assert stack.judged() == {("de", "other", "miss", "", "answer"): 1}


async def test_unsteered_answers_are_judged_only_where_all_are(ruled: Any) -> None:
    for everything, expected in ((False, {}), (True, {("", "en", "none", "", "answer"): 1})):
        stack = ruled(everything=everything)
        say(stack, answers.completion(ENGLISH))
        await stack.raw(b'{"prompt": "a"}')
        assert stack.judged() == expected
        await stack.raw(b'{"input": "a"}', path="/v1/embeddings")
        assert stack.judged() == expected


async def test_under_a_policy_every_answer_is_judged_as_its_rule_says(ruled: Any) -> None:
    stack = ruled(POLICY, everything=False)
    say(stack, answers.completion(f"{GERMAN}\n```\n{ENGLISH}\n```\n"))
    await stack.raw(b'{"model": "strict"}')
    await stack.raw(b'{"model": "other"}')
    assert {key[2:4]: n for key, n in stack.judged().items()} == {
        ("hit", "strict"): 1,
        ("none", "defaults"): 1,
    }


async def test_errors_are_not_counted(ruled: Any) -> None:
    stack = ruled(everything=False)
    stack.upstream.status = 500
    say(stack, answers.completion(GERMAN))
    await stack.raw(ASK)
    stack.upstream.status = 200
    failed = answers.completion_stream(GERMAN) + b'data: {"error": {"code": 500}}\n\n'
    say(stack, failed, stream=True)
    await stack.raw(ASK)
    assert (await stack.raw(b'{"steering": {"target": "nl"}}')).status_code == 400
    assert stack.judged() == {}
    assert stack.dropped("unread") == 0


async def test_what_cannot_be_read_is_dropped_and_counted(ruled: Any) -> None:
    stack = ruled(everything=False)
    say(stack, b'{"choices": [')
    await stack.raw(ASK)
    assert stack.judged() == {}
    assert stack.dropped("unread") == 1
    say(stack, answers.completion(GERMAN, "x" * (1 << 20)), chunk=1 << 16)
    await stack.raw(ASK)
    assert stack.judged() == {}
    assert stack.dropped("large") == 1
    stack.upstream.kind = b"text/plain"
    await stack.raw(ASK)
    assert stack.judged() == {}


async def test_a_compressed_answer_is_not_read(ruled: Any) -> None:
    stack = ruled(everything=False)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        kind = [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        await send({"type": "http.response.body", "body": gzip.compress(answers.chat(GERMAN))})

    stack.app.app = app
    await stack.raw(ASK)
    assert stack.judged() == {}
    assert stack.dropped("unread") == 0


async def test_many_slips_are_one_line_of_the_servers_log(
    ruled: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stack = ruled(everything=False)
    say(stack, answers.completion_stream(" ".join(TEXT.sentences("en"))), stream=True)
    for _ in range(3):
        await stack.raw(ASK)
    assert stack.judged() == {("de", "en", "miss", "", "answer"): 3}
    assert caplog.text.count("a stream is in en") == 1
    labels = {"wanted": "de", "policy": ""}
    name = "langsteer_monitor_stream_slips_total"
    assert stack.registry.get_sample_value(name, labels) == 3


async def test_a_full_line_drops_the_answer_and_delays_nobody(ruled: Any) -> None:
    stack = ruled(everything=False)
    stack.monitor.worker._limit = 20_000
    long = answers.completion_stream(" ".join(TEXT.sentences("de")))
    for stream, data in ((True, long), (False, answers.completion("a" * 30_000))):
        say(stack, data, stream=stream, chunk=30_000)
        assert (await stack.raw(ASK)).content == data
    assert stack.judged() == {}
    assert stack.dropped("full") == 2


async def test_a_long_stream_that_slips_is_told_of_once_while_it_runs(
    ruled: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stack = ruled(POLICY, everything=False)
    text = " ".join([*TEXT.sentences("de")[:30], *TEXT.sentences("en")])
    stack.upstream.wait = asyncio.Event()
    say(stack, answers.completion_stream(text), stream=True, chunk=3000)

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    messages = iter([{"type": "http.request", "body": b'{"model": "strict"}'}])

    async def receive() -> Message:
        if message := next(messages, None):
            return message
        # The stream is open still.
        assert stack.monitor.worker.settle(20)
        labels = {"wanted": "de", "policy": "strict"}
        name = "langsteer_monitor_stream_slips_total"
        assert stack.registry.get_sample_value(name, labels) == 1
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": "/v1/completions"}
    await stack.app({**scope, "headers": [(b"content-type", b"application/json")]}, receive, send)
    assert "a stream under the policy's rule strict is in en by its character" in caplog.text
    assert caplog.text.count("a stream") == 1


async def test_of_a_client_that_left_what_it_got_is_judged(ruled: Any) -> None:
    stack = ruled(everything=False)
    say(stack, answers.completion_stream(GERMAN, ENGLISH), stream=True, chunk=2000)
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": ASK}

    async def send(message: Message) -> None:
        messages.append(message)
        if len(messages) == 4:
            raise OSError("gone")

    scope = {"type": "http", "method": "POST", "path": "/v1/completions"}
    headers = [(b"content-type", b"application/json")]
    with pytest.raises(OSError, match="gone"):
        await stack.app({**scope, "headers": headers}, receive, send)
    assert stack.judged() == {("de", "de", "hit", "", "answer"): 1}


async def test_a_document_that_was_not_sent_whole_is_no_unreadable_one(ruled: Any) -> None:
    stack = ruled(everything=False)
    say(stack, answers.completion(GERMAN), chunk=300)
    stack.upstream.wait = asyncio.Event()
    messages = iter([{"type": "http.request", "body": ASK}])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        return None

    scope = {"type": "http", "method": "POST", "path": "/v1/completions"}
    await stack.app({**scope, "headers": [(b"content-type", b"application/json")]}, receive, send)
    assert stack.judged() == {}
    assert stack.dropped("unread") == 0


@pytest.mark.parametrize(
    ("sent", "told", "noted"),
    [("", "", ""), ("mine", "", "mine"), ("mine", "theirs", "theirs"), ("two words", "", "")],
)
async def test_an_answer_without_an_id_has_its_requests(sent: str, told: str, noted: str) -> None:
    """So that the lines of both logs can be joined."""
    seen: list[str] = []

    class Noting:
        def watch(self, subject: Any, *, stream: bool, request_id: str) -> None:
            seen.append(request_id)

    async def send(_message: Any) -> None: ...

    scope: Any = {"headers": [(b"x-request-id", sent.encode())] if sent else []}
    monitor: Any = Noting()
    tap = Tap(send, Subject.of("/v1/completions", None, None), monitor, scopes.request_id(scope))
    headers = [(b"content-type", b"application/json")]
    headers += [(b"x-request-id", told.encode())] if told else []
    await tap.send({"type": "http.response.start", "status": 200, "headers": headers})
    assert seen == [noted]
