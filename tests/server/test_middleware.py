from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import Message, Scope

from server.catalog import Catalog
from steering.request import SteeringRequest

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m",  "prompt":"steering wheel", "x": 1.10}',
        b'{"steering": null, "a": 1}',
        b'{"messages": [{"content": "\\u00e4\\u0073"}]}',
        '{"a": "b"}'.encode("utf-16"),
        b"",
        b"not json",
        b"\xff\xfe\x00",
        b"[1]",
        b'{"a": 1, "a": 2}',
    ],
)
async def test_unsteered_requests_pass_byte_for_byte(stack: Any, body: bytes) -> None:
    answer = await stack.raw(body)
    # Suspicious bytes that are not JSON get our 400 instead of vLLM's.
    if answer.status_code == 200:
        assert stack.upstream.body == body
        assert not {"x-steering-profile", "x-steering-policy"} & set(answer.headers)
    else:
        assert body == b"\xff\xfe\x00"


async def test_steered_body_header_and_length(stack: Any, catalog: Catalog) -> None:
    entry = catalog.get("de")
    assert entry
    body = {
        "model": "m",
        "steering": {"target": "de", "strength": 2.0},
        "vllm_xargs": {"session_id": "s"},
        "n": 2,
        "text": "日本\ud800",
    }
    answer = await stack.raw(json.dumps(body).encode())
    sent = json.loads(stack.upstream.body)
    assert stack.upstream.steering == SteeringRequest(
        target=entry.profile.content_hash, strength=2.0
    )
    assert sent.pop("vllm_xargs")["session_id"] == "s"
    assert sent == {"model": "m", "n": 2, "text": "日本\ud800"}
    assert stack.upstream.headers["content-length"] == str(len(stack.upstream.body))
    assert answer.headers["x-steering-profile"] == f"{entry.label}; strength=2; phase=all"
    assert stack.counted("ok", strength="<=2") == 1


async def test_large_unsteered_bodies_pass_whatever_words_they_hold(stack: Any) -> None:
    body = json.dumps({"model": "m", "prompt": "steering wheel " * 1000}).encode()
    assert (await stack.raw(body)).status_code == 200
    assert stack.upstream.body == body


async def test_a_key_no_utf8_can_spell_gets_a_400(stack: Any) -> None:
    answer = await stack.raw(b'{"steering": {"\\ud800": 1}}')
    assert answer.status_code == 400
    assert "ud800" in answer.json()["error"]["param"]


async def test_chunked_bodies(stack: Any) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for byte in b'{"steering": {"target": "de"}}':
            yield bytes([byte])

    await stack.client.post(CHAT, content=chunks(), headers=JSON)
    assert stack.upstream.steering
    assert "transfer-encoding" not in stack.upstream.headers


@pytest.mark.parametrize(
    "body",
    [
        b'{"st\\u0065ering": {"target": "de"}}',
        b'{"\\u0073\\u0074\\u0065\\u0065\\u0072\\u0069\\u006E\\u0067": {"target": "de"}}',
        '{"steering": {"target": "de"}}'.encode("utf-16"),
        '{"steering": {"target": "de"}}'.encode("utf-16-le"),
        '{"steering": {"target": "de"}}'.encode("utf-32"),
        '{"steering": {"target": "de"}}'.encode("utf-8-sig"),
    ],
)
async def test_steering_in_any_spelling_json_allows(stack: Any, body: bytes) -> None:
    await stack.raw(body)
    assert stack.upstream.steering


@pytest.mark.parametrize(
    "body",
    [
        b'{"Steering": {"target": "de"}}',
        b'{"\\u0053TEERING": {"target": "de"}}',
        b'{"extra_body": {"STEERING": {"target": "de"}}}',
    ],
)
async def test_capitals_are_no_way_to_an_unsteered_answer(stack: Any, body: bytes) -> None:
    answer = await stack.raw(body)
    assert answer.status_code == 400
    assert "steering" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"steering": {"target": "de"}',
        b'{"steering": {"target": "de"}, "steering": null}',
        b'{"steering": {"target": "de", "target": "ja"}}',
        b'{"steering": {"target": "de", "suppress": {"zh": 1, "zh": 2}}}',
        b'{"steering": {"target": "de"}, "vllm_xargs": {}, "vllm_xargs": {}}',
        b'{"steering":' + b"[" * 3000,
        b"\xff{steering",
    ],
)
async def test_malformed_bodies_are_refused(stack: Any, body: bytes) -> None:
    answer = await stack.raw(body)
    assert answer.status_code == 400
    assert stack.upstream.calls == 0
    assert stack.refusals("malformed_body") == 1


async def test_errors_have_the_openai_form_and_are_counted(stack: Any) -> None:
    answer = await stack.raw(b'{"steering": {"target": "nl"}}')
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, 400)
    assert (error["type"], error["param"]) == ("BadRequestError", "steering.target")
    assert stack.refusals("unknown_language") == 1
    assert stack.upstream.calls == 0


async def test_large_bodies(stack: Any) -> None:
    filler = b"x" * 5000
    assert (await stack.raw(b'{"prompt": "' + filler + b'"}')).status_code == 200
    answer = await stack.raw(b'{"prompt": "' + filler + b'", "steering": {"target": "de"}}')
    assert answer.status_code == 413
    form = {"content-type": "multipart/form-data; boundary=b"}
    calls = stack.upstream.calls
    # Nobody has looked whether it asks for steering.
    refused = await stack.raw(filler, form, "/v1/audio/transcriptions")
    assert (refused.status_code, stack.upstream.calls) == (413, calls)
    assert "LANGSTEER_MAX_BODY_MB" in refused.text


async def test_a_header_asks_whatever_the_body_is(stack: Any) -> None:
    headers = {"content-type": "text/plain", "x-steering-target": "de"}
    answer = await stack.raw(b"x" * 9000, headers, "/v1/audio/transcriptions")
    assert (answer.status_code, stack.upstream.calls) == (400, 0)


@pytest.mark.parametrize("path", ["/v1/realtime", "/v2/next-years-socket"])
async def test_a_websocket_that_asks_is_refused(stack: Any, path: str) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "websocket",
        "path": path,
        "headers": [(b"x-steering-target", b"de")],
        "extensions": {"websocket.http.response": {}},
    }
    await stack.app(scope, receive, send)
    assert stack.upstream.calls == 0
    assert sent[0]["type"] == "websocket.http.response.start"
    assert sent[0]["status"] == 400


async def test_forms_cannot_ask(stack: Any) -> None:
    form = {"content-type": "multipart/form-data; boundary=b"}
    body = b'--b\r\nContent-Disposition: form-data; name="steering"\r\n\r\nde\r\n--b--'
    assert (await stack.raw(body, form, "/v1/audio/transcriptions")).status_code == 400


@pytest.mark.parametrize("charset", ["utf-7", "UTF-16", '"cp037"', "utf-8; charset=utf-7"])
async def test_a_form_in_a_charset_that_hides_names_is_refused(stack: Any, charset: str) -> None:
    form = {"content-type": f"multipart/form-data; boundary=b; charset={charset}"}
    body = b'--b\r\nContent-Disposition: form-data; name="vllm+AF8-xargs"\r\n\r\n{}\r\n--b--'
    answer = await stack.raw(body, form, "/v1/audio/transcriptions")
    assert answer.status_code == 400
    assert "send it in UTF-8" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["langsteer_target", "lang\\u0073teer_target"])
async def test_forms_cannot_name_our_arguments_and_may_name_others(stack: Any, name: str) -> None:
    form = {"content-type": "multipart/form-data; boundary=b; charset=utf-8"}
    field = '--b\r\nContent-Disposition: form-data; name="vllm_xargs"\r\n\r\n{"NAME": "x"}\r\n--b--'
    path = "/v1/audio/transcriptions"
    assert (await stack.raw(field.replace("NAME", name).encode(), form, path)).status_code == 400
    assert (await stack.raw(field.replace("NAME", "other").encode(), form, path)).status_code == 200


async def test_counting_tokens_takes_the_header_of_whoever_always_sends_it(stack: Any) -> None:
    header = JSON | {"X-Steering-Target": "de"}
    assert (await stack.raw(b"{}", header, "/v1/messages/count_tokens")).status_code == 200


async def test_header_steers_and_is_ignored_where_no_text_is_made(stack: Any) -> None:
    header = {"X-Steering-Target": "de"}
    await stack.raw(b"{}", JSON | header)
    assert stack.upstream.steering
    assert (await stack.client.get("/v1/models", headers=header)).status_code == 200
    cancel = await stack.raw(b"", header, "/v1/responses/r1/cancel")
    reload = await stack.raw(b"", header, "/v1/steering/profiles/reload")
    assert (cancel.status_code, reload.status_code) == (200, 200)
    assert (await stack.raw(b"{}", JSON | header, "/tokenize")).status_code == 200
    assert (await stack.raw(b"{}", JSON | header, "/v1/embeddings")).status_code == 400
    assert (await stack.raw(b"not json", JSON | header)).status_code == 400


async def test_root_path_is_not_part_of_the_route(stack: Any) -> None:
    transport = httpx.ASGITransport(stack.app, root_path="/api")
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post("/api" + CHAT, json={"steering": {"target": "de"}})
    assert answer.status_code == 200
