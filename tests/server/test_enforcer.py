from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from profiles.judging.text import read_text
from server.monitor.answer_log import AnswerLog
from steering.request import SteeringRequest
from tests.server.monitor import answers

TEXT = read_text()
GERMAN = " ".join(TEXT.sentences("de")[:4])
ENGLISH = " ".join(TEXT.sentences("en")[:4])
MIXED = " ".join([*TEXT.sentences("de")[:4], *TEXT.sentences("en")[:3]])
POLICY = """
version: 1
defaults:
  target: [{language: de}]
  strength: {max: 2}
  overrides: [target, strength, suppress]
  enforce: {strengths: [1.3, 1.7], on: [miss, mixed]}
"""
JSON = (b"content-type", b"application/json")


class Model:
    """Answers by the strength it is asked with; "" is an error, an exception is raised."""

    def __init__(self, by_strength: dict[float, Any]) -> None:
        self.by_strength = by_strength
        self.asked: list[dict[str, Any]] = []
        self.kind = JSON

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        assert int(dict(scope["headers"])[b"content-length"]) == len(message["body"])
        fields = json.loads(message["body"])
        self.asked.append(fields)
        asked = SteeringRequest.from_extra_args(fields["vllm_xargs"])
        assert asked
        answer = self.by_strength[asked.strength]
        if isinstance(answer, BaseException):
            raise answer
        data = answers.completion(*([answer] if isinstance(answer, str) else answer))
        status = 200 if answer else 500
        await send({"type": "http.response.start", "status": status, "headers": [self.kind]})
        for start in range(0, len(data), 1000):
            body = data[start : start + 1000]
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def text_of(answer: Any) -> str:
    return str(answer.json()["choices"][0]["text"])


def enforced(stack: Any, verdict: str, attempts: str) -> float:
    labels = {"policy": "defaults", "verdict": verdict, "attempts": attempts}
    return stack.registry.get_sample_value("langsteer_enforced_requests_total", labels) or 0


@pytest.mark.parametrize(
    ("by_strength", "attempts", "verdict", "strength"),
    [
        ({1.0: GERMAN}, 1, "hit", "1"),
        ({1.0: ENGLISH, 1.3: GERMAN}, 2, "hit", "1.3"),
        ({1.0: ENGLISH, 1.3: MIXED, 1.7: GERMAN}, 3, "hit", "1.7"),
        ({1.0: ENGLISH, 1.3: MIXED, 1.7: ENGLISH}, 3, "mixed", "1.3"),
        ({1.0: ENGLISH, 1.3: ENGLISH, 1.7: ENGLISH}, 3, "miss", "1"),
        # Garbage, errors and crashes of a repetition never replace an answer.
        ({1.0: ENGLISH, 1.3: "xq", 1.7: ""}, 3, "miss", "1"),
        ({1.0: MIXED, 1.3: RuntimeError("x"), 1.7: GERMAN}, 3, "hit", "1.7"),
        # Too short to be told: nothing to hold against it.
        ({1.0: "Yes."}, 1, "unknown", "1"),
        # All choices are to be right.
        ({1.0: (GERMAN, ENGLISH), 1.3: (GERMAN, GERMAN)}, 2, "hit", "1.3"),
        ({1.0: (GERMAN, "Ja.")}, 1, "hit", "1"),
    ],
)
async def test_it_is_asked_again_until_the_language_is_right(
    ruled: Any, by_strength: dict[float, Any], attempts: int, verdict: str, strength: str
) -> None:
    stack = ruled(POLICY, everything=False)
    stack.app.app = model = Model(by_strength)
    answer = await stack.raw(b'{"prompt": "a", "seed": 7, "n": 1}')
    served = by_strength[float(strength)]
    assert answer.content == answers.completion(*([served] if isinstance(served, str) else served))
    assert answer.headers["x-steering-attempts"] == str(attempts)
    assert answer.headers["x-steering-verdict"] == verdict
    assert f"; strength={strength};" in answer.headers["x-steering-profile"]
    assert answer.headers["x-steering-policy"] == "defaults"
    assert len(model.asked) == attempts
    assert all(fields["seed"] == 7 for fields in model.asked)
    assert enforced(stack, verdict, str(attempts)) == 1
    # One request to everybody else, and no profile is held after it.
    assert stack.counted("ok", strength="<=1" if strength == "1" else "<=2") == 1
    assert not stack.leases._held
    assert sum(stack.judged().values()) == (1 if isinstance(served, str) else 2)


async def test_the_log_names_the_steering_of_what_was_served(ruled: Any, tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "log", sample=1, sample_miss=1, text="none")
    stack = ruled(POLICY, everything=False, log=log)
    stack.app.app = Model({1.0: ENGLISH, 1.3: GERMAN})
    await stack.raw(b"{}")
    assert stack.judged() == {("de", "de", "hit", "defaults", "answer"): 1}
    log.close()
    line = json.loads((tmp_path / "log").read_text())
    assert (line["strength"], line["policy"]) == (1.3, "defaults")
    assert "; strength=1.3;" in line["steering"]


async def test_the_profile_is_held_while_it_is_asked_again(ruled: Any, catalog: Any) -> None:
    stack = ruled(POLICY)
    model = Model({1.0: ENGLISH, 1.3: GERMAN})
    held: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        held.append(stack.leases.free(catalog.get("de").profile.content_hash))
        await model(scope, receive, send)

    stack.app.app = app
    await stack.raw(b"{}")
    assert held == [False, False]


async def test_only_stronger_attempts_are_made(ruled: Any) -> None:
    stack = ruled(POLICY)
    stack.app.app = model = Model({1.5: ENGLISH, 1.7: GERMAN})
    answer = await stack.raw(b'{"steering": {"strength": 1.5}}')
    assert (answer.headers["x-steering-attempts"], len(model.asked)) == ("2", 2)


async def test_only_on_the_verdicts_that_the_rule_names(ruled: Any) -> None:
    stack = ruled(POLICY.replace(", on: [miss, mixed]", ""))
    stack.app.app = Model({1.0: MIXED})
    answer = await stack.raw(b"{}")
    told = (answer.headers["x-steering-attempts"], answer.headers["x-steering-verdict"])
    assert told == ("1", "mixed")


async def test_an_error_at_first_is_the_answer(ruled: Any) -> None:
    stack = ruled(POLICY)
    stack.app.app = model = Model({1.0: ""})
    answer = await stack.raw(b"{}")
    assert (answer.status_code, len(model.asked)) == (500, 1)
    assert not {"x-steering-verdict", "x-steering-attempts"} & set(answer.headers)
    assert stack.counted("error") == 1
    stack.app.app = Model({1.0: RuntimeError("first")})
    with pytest.raises(RuntimeError, match="first"):
        await stack.raw(b"{}")


@pytest.mark.parametrize("key", ["stream", "background"])
async def test_streams_and_background_answers_go_out_as_they_come(ruled: Any, key: str) -> None:
    stack = ruled(POLICY)
    stack.upstream.chunks = [b'{"a": 1}', b"b"]
    answer = await stack.raw(json.dumps({key: True}).encode())
    assert answer.content == b'{"a": 1}b'
    assert answer.headers["x-steering-enforced"] == f"no; reason={key}"
    assert "x-steering-verdict" not in answer.headers
    assert stack.upstream.calls == 1


async def test_what_cannot_be_held_back_passes_and_says_why(ruled: Any) -> None:
    stack = ruled(POLICY)
    stack.app.app = model = Model({1.0: "x" * (1 << 20)})
    answer = await stack.raw(b"{}")
    assert answer.content == answers.completion("x" * (1 << 20))
    assert answer.headers["x-steering-enforced"] == "no; reason=size"
    model.by_strength, model.kind = {1.0: ENGLISH}, (b"content-type", b"text/event-stream")
    answer = await stack.raw(b"{}")
    assert answer.headers["x-steering-enforced"] == "no; reason=stream"
    assert answer.headers["x-steering-profile"].startswith("de@")
    assert len(model.asked) == 2


async def test_a_repetition_that_is_too_large_is_thrown_away(ruled: Any) -> None:
    stack = ruled(POLICY)
    stack.app.app = Model({1.0: ENGLISH, 1.3: "x" * (1 << 20), 1.7: GERMAN})
    answer = await stack.raw(b"{}")
    assert (text_of(answer), answer.headers["x-steering-attempts"]) == (GERMAN, "3")


async def test_a_client_that_leaves_ends_the_attempts(ruled: Any) -> None:
    stack = ruled(POLICY)
    model = Model({1.0: ENGLISH})
    sent: list[Message] = []
    messages = iter([{"type": "http.request", "body": b"{}"}])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        sent.append(message)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await model(scope, receive, send)
        await receive()

    stack.app.app = app
    scope = {"type": "http", "method": "POST", "path": "/v1/completions", "headers": [JSON]}
    await stack.app(scope, receive, send)
    assert (sent, len(model.asked)) == ([], 1)
    assert stack.counted("cancelled") == 1
    assert not stack.leases._held


async def test_cancellation_passes_through(ruled: Any) -> None:
    stack = ruled(POLICY)
    stack.app.app = Model({1.0: ENGLISH, 1.3: asyncio.CancelledError()})
    with pytest.raises(asyncio.CancelledError):
        await stack.raw(b"{}")
    assert stack.counted("cancelled") == 1
    assert not stack.leases._held


async def test_without_enforcement_nothing_is_held_back(ruled: Any) -> None:
    stack = ruled(POLICY.replace("strengths: [1.3, 1.7]", "strengths: []"))
    stack.app.app = Model({1.0: ENGLISH})
    answer = await stack.raw(b"{}")
    assert text_of(answer) == ENGLISH
    assert "x-steering-attempts" not in answer.headers
