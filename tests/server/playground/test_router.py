"""The page and its files, as they are served and as they are packed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from server.playground import router

STATIC = Path(str(files("server.playground"))) / "static"
SCRIPTS = sorted(path.name for path in STATIC.glob("*.js"))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    router.attach(app, 2.5)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        yield client


async def test_the_page_is_served_with_the_servers_bounds(client: httpx.AsyncClient) -> None:
    page = await client.get("/steering")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert re.findall(r'id="strength" min="(.*?)" max="(.*?)" .* value="(.*?)"', page.text) == [
        ("0.05", "2.5", "1")
    ]
    slider = re.findall(r'id="strength-slider" min="(.*?)" max="(.*?)"', page.text)
    assert slider == [("0.05", "2.5")]
    assert "$" not in page.text


async def test_the_slider_ends_where_text_only_repeats_itself() -> None:
    app = FastAPI()
    router.attach(app, 8.0)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        page = (await client.get("/steering")).text
    assert 'id="strength-slider" min="0.05" max="3"' in page
    assert 'id="strength" min="0.05" max="8"' in page


@pytest.mark.parametrize("name", [*SCRIPTS, "style.css"])
async def test_every_file_is_served_as_what_it_is(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/steering/{name}")
    assert answer.status_code == 200
    expected = "text/css" if name.endswith("css") else "text/javascript"
    assert answer.headers["content-type"] == f"{expected}; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_nothing_from_elsewhere_may_be_loaded_or_run(client: httpx.AsyncClient) -> None:
    page = await client.get("/steering")
    policy = dict(
        part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";")
    )
    assert policy.pop("require-trusted-types-for") == "'script'"
    own = {policy.pop(f"{kind}-src") for kind in ("script", "style", "connect")}
    assert (own, set(policy.values())) == ({"'self'"}, {"'none'"})
    assert not re.search(r"<style|<script(?![^>]*src=)|\son\w+=|style=|https?://", page.text)


@pytest.mark.parametrize("name", ["page.html", "other.js", "..%2frouter.py", "__init__.py"])
async def test_there_is_nothing_else(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/steering/{name}")).status_code == 404


async def test_the_page_is_not_in_the_schema(client: httpx.AsyncClient) -> None:
    assert (await client.get("/openapi.json")).json()["paths"] == {}


@pytest.mark.parametrize("name", SCRIPTS)
def test_text_stays_text(name: str) -> None:
    script = (STATIC / name).read_text()
    forbidden = r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|localStorage|cookie"
    assert not re.search(forbidden, script)


def test_the_colours_are_those_of_the_report() -> None:
    def colours(css: str) -> list[tuple[str, str]]:
        names = "paper|panel|ink|quiet|line|link|warn|warn-line"
        return re.findall(rf"--({names}): (#\w+);", css.partition("* {")[0])

    report = files("profiles.report") / "templates" / "page.css"
    own = colours((STATIC / "style.css").read_text())
    assert len(own) == 16
    assert own == colours(report.read_text())
