"""All of our endpoints in one application: HEAD, and OpenAI's form for what is not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from server import own_api
from server.catalog import Catalog
from server.playground import router as playground


class Offer:
    """As much of a registry as reading the profiles takes."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def pinned(self, entry: Any) -> bool:
        return False


@pytest.fixture
def offer(catalog: Catalog) -> Offer:
    return Offer(catalog)


@pytest.fixture
def app(offer: Offer) -> FastAPI:
    async def engine() -> bool:
        return True

    app = FastAPI()
    registry: Any = offer
    own_api.attach(app, registry=lambda: registry, control=lambda: registry, engine=engine)
    playground.attach(app, 2.0)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {}

    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/steering"),
        ("GET", "/v1/steering/"),
        ("GET", "/v1/steering/profile"),
        ("GET", "/v1/steering/profiles/..%2f..%2fetc%2fpasswd"),
        ("POST", "/v1/steering/profiles/de%2f/load"),
        ("DELETE", "/v1/steering/profiles/de/load/now"),
        ("GET", "/v1/steering/a%0Ab"),
        ("GET", "/v1/steering/%F0%9F%98%80"),
        ("GET", "/steering/health"),
        ("PUT", "/steering/health/lively"),
    ],
)
async def test_a_path_that_is_not_there(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (404, 404, "NotFoundError")
    own = "/steering/health/live" if "health" in path else "/v1/steering/profiles/{name}"
    assert f"GET {own}" in error["message"]
    assert error["message"].isascii()


@pytest.mark.parametrize("part", ["policy", "access"])
@pytest.mark.parametrize("below", ["", "/reload"])
async def test_what_a_server_was_started_without(
    client: httpx.AsyncClient, part: str, below: str
) -> None:
    answer = await client.post(f"/v1/steering/{part}{below}")
    assert answer.status_code == 404
    assert f"without --{part}" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/steering/profiles", {"GET", "HEAD"}),
        ("OPTIONS", "/v1/steering/profiles", {"GET", "HEAD"}),
        ("GET", "/v1/steering/identify", {"POST"}),
        ("PUT", "/v1/steering/profiles/de/load", {"POST"}),
        ("PUT", "/v1/steering/profiles/reload", {"GET", "HEAD", "POST"}),
        ("POST", "/steering/health/ready", {"GET", "HEAD"}),
    ],
)
async def test_a_method_that_is_not_taken(
    client: httpx.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = await client.request(method, path)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (405, 405)
    assert error["type"] == "MethodNotAllowedError"
    told = answer.headers["allow"]
    assert set(told.split(", ")) == allowed
    assert error["message"].endswith(f"it takes {told}")


async def test_a_slash_too_many_is_still_redirected(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/steering/profiles/")
    assert (answer.status_code, answer.headers["location"]) == (
        307,
        "http://test/v1/steering/profiles",
    )
    answer = await client.get("/v1/steering/profiles/", follow_redirects=True)
    assert answer.json()["object"] == "list"


async def test_endpoints_and_pages_are_reached_as_ever(client: httpx.AsyncClient) -> None:
    for path in ("/v1/steering/profiles", "/v1/steering/profiles/de", "/steering/health/live"):
        assert (await client.get(path)).status_code == 200
    assert (await client.get("/steering")).headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/v1/steeringwheel", "/v1", "/v1/model", "/steering/none.js"])
async def test_other_paths_keep_their_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


async def test_other_paths_keep_their_405(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/models")
    assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})


async def test_below_a_root_path(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app, root_path="/api")
    async with httpx.AsyncClient(transport=transport, base_url="http://test/api") as client:
        assert (await client.get("/v1/steering/none")).json()["error"]["code"] == 404
        assert (await client.get("/v1/none")).json() == {"detail": "Not Found"}
        assert (await client.get("/v1/steering/profiles")).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/steering/profiles", 200),
        ("/v1/steering/profiles/de", 200),
        ("/v1/steering/profiles/xx", 404),
        ("/v1/steering/none", 404),
        ("/v1/steering/identify", 405),
        ("/steering/health/live", 200),
        ("/steering/health/ready", 200),
        ("/steering", 200),
        ("/steering/style.css", 200),
    ],
)
async def test_head_is_get_without_the_body(
    client: httpx.AsyncClient, path: str, status: int
) -> None:
    head, get = await client.head(path), await client.get(path)
    assert (head.status_code, get.status_code) == (status, status)
    assert head.content == b""
    if status != 405:
        assert head.headers == get.headers


async def test_head_tells_that_a_server_is_not_ready(
    client: httpx.AsyncClient, offer: Offer
) -> None:
    offer.catalog = Catalog()
    assert (await client.head("/steering/health/ready")).status_code == 503


def test_neither_is_in_the_document(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    assert not [path for path in paths if "rest" in path]
    assert not [path for path, methods in paths.items() if "head" in methods]
