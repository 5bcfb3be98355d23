"""Asking a server, which here answers from a dictionary."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from profiles.errors import LangsteerError, ProfileError
from profiles.judging.condition import Row, SkippedError
from profiles.judging.method import UNSTEERED, Method
from profiles.judging.remote import Remote
from profiles.judging.writer import Sampling
from profiles.profile import Profile

SAMPLING = Sampling(tokens=8, temperature=0.8, seed=5, batch=4)
GERMAN = Method(name="steered", strength=1.5, steering={"target": "de", "strength": 1.5})


class Server:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.keys: set[str | None] = set()
        self.version = "abc"
        self.tokens: list[int] | None = [2]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.keys.add(request.headers.get("Authorization"))
        path = request.url.path
        if path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": "tiny"}]})
        if path == "/v1/steering/profiles":
            edits = {"target": {}, "suppress": {}}
            profile = {"language": "de", "version": self.version, "edits": edits}
            return httpx.Response(200, json={"data": [profile]})
        body = json.loads(request.content)
        if path == "/tokenize":
            self.tokenized = body
            found = {"tokens": self.tokens, "count": 1, "max_model_len": 64}
            return httpx.Response(404 if self.tokens is None else 200, json=found)
        self.asked.append((path, body))
        if not body.get("prompt", "chat"):
            return httpx.Response(400, json={"error": {"message": "must be non-empty"}})
        if body.get("prompt") == "refuse":
            return httpx.Response(400, json={"error": {"message": "too short"}})
        if path == "/v1/completions":
            return httpx.Response(200, json={"choices": [{"text": f"{body['prompt']}! no"}]})
        text = body["messages"][-1]["content"]
        return httpx.Response(200, json={"choices": [{"message": {"content": text}}]})


def connect(handler: Any, url: str = "http://server:8000/v1", key: str | None = None) -> Remote:
    return Remote(url, key, httpx.MockTransport(handler))


def test_rows_keep_their_order_and_seeds() -> None:
    server = Server()
    remote = connect(server, key="secret")
    rows = [Row(prompt=f"p{n}", stop=("!",)) for n in range(6)]
    done: list[tuple[int, int]] = []
    found = remote.write(rows, GERMAN, SAMPLING, lambda a, b: done.append((a, b)))
    assert [output.text for output in found] == [f"p{n}" for n in range(6)]
    assert {body["seed"]: body["prompt"] for _, body in server.asked} == {
        5 + n: f"p{n}" for n in range(6)
    }
    body = server.asked[0][1]
    assert body["model"] == "tiny"
    assert body["steering"] == {"target": "de", "strength": 1.5}
    assert (body["max_tokens"], body["temperature"], body["top_p"]) == (8, 0.8, 1.0)
    assert server.keys == {"Bearer secret"}
    assert done[-1] == (6, 6)


def test_unsteered_requests_carry_no_field() -> None:
    server = Server()
    connect(server).write([Row(prompt="x")], UNSTEERED, SAMPLING, lambda _a, _b: None)
    assert "steering" not in server.asked[0][1]


def test_conversations_go_to_chat_with_the_instruction() -> None:
    server = Server()
    row = Row(messages=(("system", "Be kind."), ("user", "Why?")))
    asked = Method(name="instruction", instruction="Answer in German.").asked(row)
    found = connect(server).write([asked], UNSTEERED, SAMPLING, lambda _a, _b: None)
    path, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert body["messages"][0] == {"role": "system", "content": "Be kind."}
    assert found[0].text == "Why?\nAnswer in German."


def test_a_refused_prompt_skips_the_condition() -> None:
    with pytest.raises(SkippedError, match="refuses: too short"):
        connect(Server()).write([Row(prompt="refuse")], UNSTEERED, SAMPLING, lambda _a, _b: None)


class Tokenizer:
    """Knows BOS, as a tokenizer of the model at hand does."""

    eos_token_id = 1

    def __init__(self, bos: int | None, adds: bool) -> None:
        self.bos_token_id, self._adds = bos, adds

    def __call__(self, _text: str) -> SimpleNamespace:
        return SimpleNamespace(input_ids=[self.bos_token_id] if self._adds else [])


@pytest.mark.parametrize(
    ("tokenizer", "ids"),
    [
        (None, [2]),
        (Tokenizer(7, adds=True), [7]),
        (Tokenizer(7, adds=False), [7]),
        (Tokenizer(None, adds=False), [1]),  # as offline
    ],
)
def test_nothing_is_sent_as_bos(tokenizer: Tokenizer | None, ids: list[int]) -> None:
    server = Server()
    remote = connect(server)
    remote.tokenizer = tokenizer
    remote.write([Row(), Row(prompt="x")], GERMAN, SAMPLING, lambda _a, _b: None)
    assert sorted(str(body["prompt"]) for _, body in server.asked) == [str(ids), "x"]
    if tokenizer is None:
        assert server.tokenized == {"model": "tiny", "prompt": "", "add_special_tokens": True}


@pytest.mark.parametrize("tokens", [None, []])
def test_nothing_is_skipped_where_nobody_knows_bos(tokens: list[int] | None) -> None:
    server = Server()
    server.tokens = tokens
    with pytest.raises(SkippedError, match="/tokenize names no token"):
        connect(server).write([Row()], UNSTEERED, SAMPLING, lambda _a, _b: None)
    assert not server.asked


def test_refused_steering_is_an_error() -> None:
    with pytest.raises(LangsteerError, match="answered 400: too short"):
        connect(Server()).write([Row(prompt="refuse")], GERMAN, SAMPLING, lambda _a, _b: None)


def test_edits_are_not_for_servers() -> None:
    from contextlib import nullcontext

    method = Method(name="lape", apply=nullcontext)
    with pytest.raises(SkippedError, match="server"):
        connect(Server()).write([Row()], method, SAMPLING, lambda _a, _b: None)


def test_another_version_is_refused(german: Profile) -> None:
    server = Server()
    with pytest.raises(ProfileError, match=f"serves de@abc, the folder holds {german.version}|de@"):
        connect(server).offered({"de": german})
    server.version = german.version
    assert connect(server).offered({"de": german}) == {"de": german.version}
    assert connect(server).roles("de") == ["target", "suppress"]
    assert connect(server).roles("fr") == []
    with pytest.raises(ProfileError, match="serves no profile of fr"):
        connect(server).offered({"fr": german})


@pytest.mark.parametrize(
    ("status", "path", "message"),
    [
        (401, "/v1/models", "give it with --api-key"),
        (404, "/v1/steering/profiles", "is not `langsteer serve"),
        (500, "/v1/models", "answered 500"),
    ],
)
def test_wrong_servers(status: int, path: str, message: str) -> None:
    ok = Server()

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status) if request.url.path == path else ok(request)

    with pytest.raises(LangsteerError, match=message):
        connect(handler)


def test_no_server() -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(LangsteerError, match=r"no server at http://server:8000 .*langsteer serve"):
        connect(handler)


def test_no_json() -> None:
    with pytest.raises(LangsteerError, match="other than JSON"):
        connect(lambda _request: httpx.Response(200, text="<html>"))
