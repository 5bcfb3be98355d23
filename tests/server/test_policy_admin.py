from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from server import policy_admin
from server.catalog import Catalog
from server.keyring import hash_key
from server.policy_file import PolicyFile
from tests.server.conftest import put

HASH = hash_key("secret")
TEXT = f"""
version: 1
defaults: {{target: [{{language: nl}}], suppress: {{zh: 0.5}}}}
tenants: {{acme: [{HASH}]}}
rules: [{{name: acme, when: {{tenant: acme}}, steer: false}}]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(TEXT)
    return file


@pytest.fixture
async def client(path: Path, catalog: Catalog) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    policy_admin.attach(app, PolicyFile(path, 8.0, lambda: catalog, lambda _: None))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test/v1/steering"
    ) as client:
        yield client


async def test_the_policy_is_shown_without_its_keys(client: httpx.AsyncClient, path: Path) -> None:
    answer = await client.get("/policy")
    shown = answer.json()
    assert (answer.status_code, shown["object"], shown["path"]) == (
        200,
        "steering.policy",
        str(path),
    )
    assert shown["warnings"] == ["defaults: no profile steers towards nl"]
    assert shown["policy"]["tenants"] == {"acme": [f"{HASH[:15]}…"]}
    assert HASH[16:] not in answer.text
    assert shown["policy"]["defaults"] == {
        "target": [{"language": "nl"}],
        "suppress": {"zh": 0.5},
    }
    assert len(shown["digest"]) == 64


async def test_a_list_to_suppress_is_shown_too(client: httpx.AsyncClient, path: Path) -> None:
    put(path, TEXT.replace("{zh: 0.5}", "[zh]"))
    answer = await client.post("/policy/reload")
    assert answer.json()["policy"]["defaults"]["suppress"] == {"zh": None}


async def test_reloading_says_what_is_wrong_and_keeps_the_old(
    client: httpx.AsyncClient, path: Path
) -> None:
    before = (await client.get("/policy")).json()
    put(path, TEXT.replace("zh", "Chinese"))
    answer = await client.post("/policy/reload")
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == 422
    (problem,) = answer.json()["problems"]
    assert (problem["place"][:17], problem["line"]) == ("defaults.suppress", 3)
    assert (await client.get("/policy")).json() == before
    put(path, TEXT.replace("nl", "ja"))
    answer = await client.post("/policy/reload")
    assert answer.status_code == 200
    assert answer.json()["digest"] != before["digest"]
