from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from server import access_admin
from server.access_file import AccessFile, read_access
from server.keyring import hash_key
from server.yamlfile.problem import FileError
from tests.server.access.conftest import KEYS
from tests.server.conftest import put

TEXT = KEYS + "limits: {concurrent: 4}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "access.yaml"
    file.write_text(TEXT)
    return file


@pytest.fixture
def counted() -> list[bool]:
    return []


@pytest.fixture
def access(path: Path, counted: list[bool]) -> AccessFile:
    return AccessFile(path, counted.append)


@pytest.fixture
async def client(access: AccessFile) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(access_admin.router(lambda: access))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test/v1/steering"
    ) as client:
        yield client


async def test_a_key_comes_and_goes_with_a_reload(
    access: AccessFile, path: Path, counted: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    put(path, TEXT.replace(hash_key("acme-new"), hash_key("newer")))
    assert access.rules.client(["acme-new"], "").name == "key/acme"
    await access.reload()
    assert access.rules.client(["newer"], "").name == "key/acme"
    assert "2 clients" in caplog.text
    assert counted == [True]


@pytest.mark.parametrize("text", ["", "keys: []", "limits: {concurrent: 4}", "keys: [", None])
async def test_a_bad_file_keeps_the_old(
    access: AccessFile,
    path: Path,
    counted: list[bool],
    text: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = access.rules
    put(path, text)
    with pytest.raises(FileError):
        await access.reload()
    assert (access.rules, counted) == (before, [False])
    assert f"the access file stays as it was, its file cannot be used:\n{path}: " in caplog.text


async def test_keys_do_not_come_with_a_reload_either(path: Path, counted: list[bool]) -> None:
    put(path, "limits: {concurrent: 4}")
    access = AccessFile(path, counted.append)
    put(path, TEXT)
    with pytest.raises(FileError, match="keys: the server was started without keys"):
        await access.reload()
    put(path, "limits: {concurrent: 5}")
    await access.reload()
    assert access.rules.document.limits.concurrent == 5


def test_what_is_allowed_and_not_meant_is_logged(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(path, "limits: {concurrent: 4}")
    AccessFile(path, lambda _: None).report()
    assert "everybody who reaches the server" in caplog.text


async def test_what_is_in_force_is_shown_without_a_hash(
    client: httpx.AsyncClient, path: Path
) -> None:
    answer = await client.get("/access")
    shown = answer.json()
    assert (shown["object"], shown["path"]) == ("steering.access", str(path))
    assert shown["keys"] == [
        {
            "name": name,
            "hashes": hashes,
            "admin": admin,
            "limits": {"requests_per_minute": None, "concurrent": 4},
        }
        for name, hashes, admin in (("acme", 2, False), ("operators", 1, True))
    ]
    assert shown["server"] == {"concurrent": None, "max_headers_kb": None, "max_body_mb": None}
    assert shown["digest"] == read_access(path).digest
    assert "sha256:" not in answer.text
    assert hash_key("acme-key")[7:15] not in answer.text


async def test_a_reload_says_what_is_wrong(client: httpx.AsyncClient, path: Path) -> None:
    before = (await client.get("/access")).json()
    put(path, TEXT.replace("concurrent: 4", "concurrent: none"))
    answer = await client.post("/access/reload")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, 422)
    (problem,) = answer.json()["problems"]
    assert (problem["place"], problem["line"]) == ("limits.concurrent", 5)
    assert answer.json()["error"]["message"].startswith(f"{path}: limits.concurrent, line 5: ")
    assert (await client.get("/access")).json() == before
    put(path, TEXT.replace("concurrent: 4", "concurrent: 5"))
    answer = await client.post("/access/reload")
    assert (answer.status_code, answer.json()["limits"]["concurrent"]) == (200, 5)
