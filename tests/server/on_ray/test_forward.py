"""What goes through a replica, and what is refused there."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from server.on_ray.forward import REPLICA_HEADER, Forward, changes_one
from tests.e2e.running import free_port


class Behind:
    """The server behind a replica."""

    def __init__(self) -> None:
        self.left = threading.Event()
        self.app = Starlette(
            routes=[
                Route("/v1/echo/{rest:path}", self._echo, methods=["GET", "POST", "PUT"]),
                Route("/v1/stream", self._stream),
                Route("/v1/teapot", self._teapot),
            ]
        )

    async def _echo(self, request: Request) -> Response:
        raw = [[key.decode(), value.decode()] for key, value in request.headers.raw]
        return JSONResponse(
            {
                "method": request.method,
                "path": request.url.path,
                "query": request.url.query,
                "headers": raw,
                "body": (await request.body()).decode(),
            }
        )

    async def _stream(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                for n in range(1000):
                    yield f"data: {n}\n\n".encode()
                    await asyncio.sleep(0.01)
            finally:
                self.left.set()

        return StreamingResponse(pieces(), media_type="text/event-stream")

    async def _teapot(self, request: Request) -> Response:
        answer = PlainTextResponse("short and stout", 418)
        answer.raw_headers += [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        answer.headers["X-Steering-Profile"] = "de@1a2b3c4d5e6f"
        return answer


@pytest.fixture(scope="module")
def behind() -> Iterator[tuple[Behind, str]]:
    made, port = Behind(), free_port()
    config = uvicorn.Config(made.app, port=port, log_level="error", timeout_keep_alive=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield made, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


def in_front(forward: Forward) -> Any:
    """As Ray Serve has it: an application below a prefix that gives requests to the replica."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await forward(Request(scope, receive))
        await response(scope, receive, send)

    return Starlette(routes=[Mount("/prefix", app)])


@pytest.fixture
async def client(behind: tuple[Behind, str]) -> AsyncIterator[httpx.AsyncClient]:
    forward = Forward(behind[1], "r1")
    transport = httpx.ASGITransport(in_front(forward))
    async with httpx.AsyncClient(transport=transport, base_url="http://front/prefix") as client:
        yield client
    await forward.close()


async def test_a_request_goes_through_as_it_is(client: httpx.AsyncClient) -> None:
    sent = {"X-Steering-Target": "de", "Authorization": "Bearer k", "Accept-Encoding": "identity"}
    answer = await client.post(
        "/v1/echo/a%20b/c%2Fd", params={"q": "ä b"}, content="ö".encode(), headers=sent
    )
    seen = answer.json()
    assert (seen["method"], seen["body"]) == ("POST", "ö")
    assert seen["path"] == "/v1/echo/a b/c/d"
    assert seen["query"] == "q=%C3%A4+b" or seen["query"] == "q=%C3%A4%20b"
    headers = [(key, value) for key, value in seen["headers"]]
    for name, value in sent.items():
        assert headers.count((name.lower(), value)) == 1
    # Nothing is added, and the host is what the client asked for.
    assert {key for key, _ in headers} <= {
        *(name.lower() for name in sent),
        *("host", "accept", "connection", "user-agent", "content-length"),
    }
    assert ("host", "front") in headers
    assert answer.headers[REPLICA_HEADER] == "r1"


async def test_an_answer_comes_back_as_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/teapot")
    assert (answer.status_code, answer.text) == (418, "short and stout")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["x-steering-profile"] == "de@1a2b3c4d5e6f"
    assert answer.headers["content-length"] == "15"
    # Ray Serve's proxy has its own.
    assert not {"date", "server"} & {*answer.headers}


async def test_a_client_that_leaves_ends_the_answer(behind: tuple[Behind, str]) -> None:
    forward = Forward(behind[1], "r1")
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/v1/stream",
        "query_string": b"",
        "headers": [(b"host", b"front")],
    }
    got: list[bytes] = []
    asked: list[bool] = []
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not asked:
            asked.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        got.append(message.get("body", b""))
        if len(got) == 3:
            gone.set()

    response = await forward(Request(scope, receive))
    await asyncio.wait_for(response(scope, receive, send), 5)  # type: ignore[arg-type]
    assert await asyncio.to_thread(behind[0].left.wait, 5)
    assert got[1] == b"data: 0\n\n"
    await forward.close()


async def test_a_connection_that_the_server_closed_is_not_used_again(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/v1/teapot")).status_code == 418
    await asyncio.sleep(1.3)
    assert (await client.get("/v1/teapot")).status_code == 418


async def test_a_server_that_is_gone_is_an_error_in_its_form() -> None:
    forward = Forward(f"http://127.0.0.1:{free_port()}", "r2")
    transport = httpx.ASGITransport(in_front(forward))
    async with httpx.AsyncClient(transport=transport, base_url="http://front/prefix") as client:
        answer = await client.post("/v1/completions", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, 503)
    assert "replica r2 does not answer" in answer.json()["error"]["message"]
    await forward.close()


@pytest.mark.parametrize(
    ("method", "path", "one"),
    [
        ("POST", "/v1/completions", False),
        ("GET", "/v1/steering/profiles", False),
        ("GET", "/v1/steering/profiles/de", False),
        ("GET", "/v1/steering/status", False),
        ("POST", "/v1/steering/identify", False),
        ("POST", "/v1/steering/policy/explain", False),
        ("POST", "/v1/steering/profiles/reload", True),
        ("POST", "/v1/steering/profiles/de/unload", True),
        ("POST", "/v1/steering/policy/reload", True),
        ("POST", "/v1/steering/access/reload", True),
        ("POST", "/v1/load_lora_adapter", True),
        ("POST", "/sleep/", True),
        ("GET", "/steering", False),
    ],
)
def test_what_would_change_one_of_several(method: str, path: str, one: bool) -> None:
    assert changes_one(method, path) == one


async def test_that_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/steering/profiles/reload")
    assert answer.status_code == 403
    assert "server.on_ray.update" in answer.json()["error"]["message"]
