from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from server import identification
from server.identification import MOST
from server.schemas.identification import IdentifyQuestion

GERMAN = "Das Fenster in der Küche war noch offen, als sie nach Hause kam."


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(identification.router())
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        yield client


async def post(client: httpx.AsyncClient, body: bytes) -> httpx.Response:
    return await client.post("/v1/steering/identify", content=body)


async def test_a_text_is_identified(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/steering/identify", json={"text": GERMAN})
    found = answer.json()
    assert found.pop("probability") == pytest.approx(1, abs=0.1)
    assert found == {"object": "steering.identification", "language": "de"}


@pytest.mark.parametrize("text", ["", "ok", "12345 !!!"])
async def test_what_cannot_be_told_is_said_to_be(client: httpx.AsyncClient, text: str) -> None:
    found = (await client.post("/v1/steering/identify", json={"text": text})).json()
    assert (found["language"], found["probability"]) == ("und", 0)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"not json", None),
        (b"[]", None),
        (b"{}", "text"),
        (b'{"text": 5}', "text"),
        (b'{"text": null}', "text"),
        (b'{"text": "a", "txet": "b"}', "txet"),
        (b'{"text": "\\ud83d"}', None),
        (b'{"text": "\xff"}', None),
    ],
)
async def test_a_bad_body_is_a_400_that_names_the_field(
    client: httpx.AsyncClient, body: bytes, param: str | None
) -> None:
    answer = await post(client, body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, 400, param)
    assert '{"text": "…"}' in error["message"]


async def test_a_large_body_is_refused_before_all_of_it_is_read(client: httpx.AsyncClient) -> None:
    text = b'{"text": "' + b"a" * (MOST - 12) + b'"}'
    assert (len(text), (await post(client, text)).status_code) == (MOST, 200)
    answer = await post(client, text + b" ")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, 413)


async def test_the_example_is_one_that_is_identified(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/steering/identify", json=IdentifyQuestion.example)
    assert answer.json()["language"] == "de"
