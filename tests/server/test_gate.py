from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.types import Message

from server.keyring import hash_key
from steering.request import SteeringRequest

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
ACME = {"authorization": "Bearer a"}
POLICY = f"""
version: 1
defaults: {{steer: false}}
tenants: {{acme: [{hash_key("a")}], beta: [{hash_key("b")}]}}
rules:
  - name: acme
    when: {{tenant: acme}}
    steer: true
    target: [{{language: ja}}]
  - name: user
    when: {{tenant: beta}}
    steer: true
    target: [accept-language]
    missing: unsteered
"""


async def test_a_client_that_knows_nothing_is_steered(ruled: Any, catalog: Any) -> None:
    stack = ruled(POLICY)
    answer = await stack.raw(b'{"model": "m", "prompt": "hello"}', JSON | ACME)
    assert answer.status_code == 200
    assert answer.headers["x-steering-policy"] == "acme"
    assert answer.headers["x-steering-profile"].startswith("ja@")
    expected = SteeringRequest(target=catalog.get("ja").profile.content_hash)
    assert stack.upstream.steering == expected
    assert stack.upstream.headers["content-length"] == str(len(stack.upstream.body))
    assert stack.ruled("acme", "steered") == stack.counted("ok", target="ja") == 1


async def test_exempt_and_unsteered_requests_pass_byte_for_byte_and_say_so(ruled: Any) -> None:
    stack = ruled(POLICY)
    body = b'{"model":"m",  "prompt":"steering wheel", "x": 1.10}'
    answer = await stack.raw(body)
    assert stack.upstream.body == body
    assert answer.headers["x-steering-policy"] == "defaults"
    assert answer.headers["x-steering-profile"] == "none; reason=exempt"
    answer = await stack.raw(body, JSON | {"x-api-key": "b", "accept-language": "nl"})
    assert stack.upstream.body == body
    assert answer.headers["x-steering-policy"] == "user"
    assert answer.headers["x-steering-profile"] == "none; reason=no-profile"
    assert stack.ruled("defaults", "exempt") == stack.ruled("user", "unsteered") == 1


async def test_streams_and_errors_of_vllm_name_the_rule_too(ruled: Any) -> None:
    stack = ruled(POLICY)
    stack.upstream.kind = b"text/event-stream"
    stack.upstream.chunks = [b"data: 1\n\n", b"data: [DONE]\n\n"]
    answer = await stack.raw(b"{}", JSON | ACME)
    assert answer.text == "data: 1\n\ndata: [DONE]\n\n"
    assert answer.headers["x-steering-policy"] == "acme"
    stack.upstream.status = 404
    answer = await stack.raw(b"{}", JSON | ACME)
    assert answer.headers["x-steering-policy"] == "acme"
    assert "x-steering-profile" not in answer.headers


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", JSON, 400),
        (b"not json", JSON, 400),
        (b"[1]", JSON, 400),
        (b'{"prompt": "a"', JSON, 400),
        (b'{"model": "a", "model": "m"}', JSON, 400),
        (b'{"prompt": "a", "prompt": "b"}', JSON, 400),
        (b"prompt=a", {"content-type": "application/x-www-form-urlencoded"}, 400),
        (b"{}", {"content-type": "text/plain"}, 400),
        (b'{"prompt": "' + b"x" * 5000 + b'"}', JSON, 413),
        (b"x" * 5000, {"content-type": "text/plain"}, 413),
        (b'{"steering": {"target": "de"}}', JSON, 403),
        (b'{"st\\u0065ering": {"target": "de"}}', JSON, 403),
        ('{"steering": {"target": "de"}}'.encode("utf-16"), JSON, 403),
        (b'{"Steering": {"target": "de"}}', JSON, 400),
        (b'{"vllm_xargs": {"langsteer_strength": 0.1}}', JSON, 400),
        (b'{"use_beam_search": true}', JSON, 400),
        (b"{}", JSON | {"x-steering-target": "de"}, 403),
        (b'{"model": 5}', JSON, 400),
    ],
)
async def test_no_way_out_of_a_rule(
    ruled: Any, body: bytes, headers: dict[str, str], status: int
) -> None:
    stack = ruled(POLICY)
    answer = await stack.raw(body, headers | ACME)
    assert (answer.status_code, stack.upstream.calls) == (status, 0)
    assert answer.headers["x-steering-policy"] in {"acme", "-"}
    assert answer.json()["error"]["code"] == status


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer a", "x-api-key": "garbage"},
        {"authorization": "bearer  a "},
        {"authorization": "Bearer x", "x-api-key": "a"},
        [("authorization", "Bearer x"), ("authorization", "Bearer a")],
    ],
)
async def test_other_keys_beside_ones_own_change_nothing(ruled: Any, headers: Any) -> None:
    stack = ruled(POLICY)
    pairs = [*JSON.items(), *(headers.items() if isinstance(headers, dict) else headers)]
    answer = await stack.client.post(CHAT, content=b"{}", headers=pairs)
    assert answer.headers["x-steering-policy"] == "acme"


async def test_keys_of_two_tenants_are_refused(ruled: Any) -> None:
    answer = await ruled(POLICY).raw(b"{}", JSON | ACME | {"x-api-key": "b"})
    assert (answer.status_code, answer.headers["x-steering-policy"]) == (400, "-")


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/chat/completions/batch", "/inference/v1/generate", "/invocations"),
        *("/v1/audio/transcriptions", "/cohere/v2/chat", "/v1/systemone", "/generative_scoring"),
        *("/v1/completions/", "/v2/next-years-endpoint"),
    ],
)
async def test_routes_that_make_text_and_cannot_be_steered(ruled: Any, path: str) -> None:
    stack = ruled(POLICY)
    for content_type in ("application/json", "multipart/form-data; boundary=b", "text/plain"):
        answer = await stack.raw(b"{}", {"content-type": content_type} | ACME, path)
        assert (answer.status_code, stack.upstream.calls) == (400, 0)
        assert answer.headers["x-steering-policy"] == "acme"
    assert stack.refusals("unsupported_path") == 3
    large = b"x" * 9000
    answer = await stack.raw(large, {"content-type": "text/plain"}, path)
    assert (answer.status_code, stack.upstream.body) == (200, large)
    assert answer.headers["x-steering-policy"] == "defaults"
    answer = await stack.raw(b'{"steering": {"target": "de"}}', JSON, path)
    assert (answer.status_code, answer.headers["x-steering-policy"]) == (400, "defaults")


@pytest.mark.parametrize(
    "path",
    ["/tokenize", "/v1/messages/count_tokens", "/v1/responses/r1/cancel", "/v1/embeddings"],
)
async def test_routes_that_make_no_text_meet_no_rule(ruled: Any, path: str) -> None:
    stack = ruled(POLICY)
    answer = await stack.raw(b"anything", JSON | ACME, path)
    assert (answer.status_code, stack.upstream.body) == (200, b"anything")
    assert "x-steering-policy" not in answer.headers
    assert (await stack.client.get("/v1/models", headers=ACME)).status_code == 200


async def test_tenants_do_not_operate_the_server(ruled: Any) -> None:
    stack = ruled(POLICY)
    for path in ("policy/reload", "profiles/ja/unload", "profiles/reload"):
        answer = await stack.raw(b"", ACME, f"/v1/steering/{path}")
        assert (answer.status_code, stack.upstream.calls) == (403, 0)
    assert (await stack.client.get("/v1/steering/policy", headers=ACME)).status_code == 403
    assert (await stack.client.get("/v1/steering/profiles", headers=ACME)).status_code == 200
    assert (await stack.raw(b"", {}, "/v1/steering/policy/reload")).status_code == 200
    assert (await stack.raw(b"{}", JSON | ACME, "/v1/steering/identify")).status_code == 200
    for path in ("/v1/steering/identify/", "/v1/steering/identify/reload"):
        assert (await stack.raw(b"", ACME, path)).status_code == 403


async def test_the_playgrounds_page_meets_no_rule(ruled: Any) -> None:
    stack = ruled(POLICY)
    answer = await stack.client.get("/steering", headers=ACME)
    assert (answer.status_code, stack.upstream.calls) == (200, 1)
    assert "x-steering-policy" not in answer.headers


async def test_a_request_sees_one_policy_and_the_next_the_new_one(ruled: Any) -> None:
    stack, other = ruled(POLICY), ruled(POLICY.replace("language: ja", "language: de"))
    await stack.raw(b"{}", JSON | ACME)
    stack.book = other.book
    answer = await stack.raw(b"{}", JSON | ACME)
    assert answer.headers["x-steering-profile"].startswith("de@")


async def speak(stack: Any, path: str, headers: dict[str, str], *extensions: str) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def accept(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    stack.app.app = accept
    raw = [(key.encode(), value.encode()) for key, value in headers.items()]
    scope = {"type": "websocket", "path": path, "headers": raw, "query_string": b""}
    await stack.app({**scope, "extensions": {key: {} for key in extensions}}, receive, send)
    return sent


async def test_connections_are_refused_or_told_their_rule(ruled: Any) -> None:
    stack = ruled(POLICY)
    (closed,) = await speak(stack, "/v1/realtime", ACME)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    start, body = await speak(stack, "/v1/realtime", ACME, "websocket.http.response")
    assert (start["status"], (b"x-steering-policy", b"acme") in start["headers"]) == (400, True)
    assert json.loads(body["body"])["error"]["code"] == 400
    (accepted,) = await speak(stack, "/v1/realtime", {})
    assert accepted["headers"] == [(b"x-steering-policy", b"defaults")]


async def test_without_a_policy_connections_pass(stack: Any) -> None:
    (accepted,) = await speak(stack, "/v1/realtime", ACME)
    assert accepted == {"type": "websocket.accept"}
