from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from server import policy_admin
from server.aliases import Aliases
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
    file = PolicyFile(path, 2.0, lambda: catalog, lambda _: None)
    app.include_router(
        policy_admin.router(
            lambda: file, lambda: catalog, lambda: "m", Aliases(lambda: ["m"], tuple)
        )
    )
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
    assert answer.json()["error"]["message"].startswith(f"{path}: defaults.suppress")
    (problem,) = answer.json()["problems"]
    assert (problem["place"][:17], problem["line"]) == ("defaults.suppress", 3)
    assert (await client.get("/policy")).json() == before
    put(path, TEXT.replace("nl", "ja"))
    answer = await client.post("/policy/reload")
    assert answer.status_code == 200
    assert answer.json()["digest"] != before["digest"]


async def explained(client: httpx.AsyncClient, **asked: Any) -> Any:
    return await client.post("/policy/explain", json=asked)


async def test_a_dry_run_says_what_would_be_done(client: httpx.AsyncClient, path: Path) -> None:
    put(
        path,
        TEXT.replace("{language: nl}", "accept-language").replace(
            "zh: 0.5}", "zh: 0.5}, monitor: {tolerate: 0.2}, enforce: {strengths: [1.5]}"
        ),
    )
    await client.post("/policy/reload")
    answer = await explained(client, headers={"accept-Language": ["xx", "de"]})
    found = answer.json()
    assert (found["rule"], found["result"], found["status"]) == ("defaults", "steered", None)
    assert found["headers"]["X-Steering-Profile"].startswith("de@")
    assert found["passed_over"] == [{"rule": "acme", "why": "tenant is none, not acme"}]
    assert found["monitor"] == {"exclude": ["code", "quotes"], "tolerate": 0.2}
    assert found["enforce"] == {"strengths": [1.5], "on": ["miss"], "skipped": None}
    streamed = await explained(client, headers={"Accept-Language": "de"}, body={"stream": True})
    assert streamed.json()["enforce"]["skipped"] == "stream"
    exempt = (await explained(client, tenant="acme")).json()
    assert (exempt["result"], exempt["enforce"]) == ("exempt", None)
    for headers in ({"Authorization": "Bearer secret"}, {"x-api-key": "secret"}):
        assert (await explained(client, headers=headers)).json()["rule"] == "acme"
    assert (await explained(client, route="/tokenize")).json()["result"] == "passes"


async def test_a_dry_run_takes_the_servers_largest_strength(
    client: httpx.AsyncClient, path: Path
) -> None:
    put(path, "version: 1\ndefaults: {target: [field], overrides: [target, strength]}")
    await client.post("/policy/reload")
    refused = await explained(client, body={"steering": {"target": "de", "strength": 2.5}})
    assert (refused.status_code, refused.json()["status"]) == (200, 400)
    assert refused.json()["result"] == "refused"
    assert "at most 2" in refused.json()["error"]["message"]


async def test_a_dry_run_reads_the_servers_aliases(client: httpx.AsyncClient, path: Path) -> None:
    put(path, "version: 1\ndefaults: {target: [field], overrides: [target], missing: unsteered}")
    await client.post("/policy/reload")
    found = (await explained(client, body={"model": "m:de"})).json()
    assert (found["result"], found["sources"][0]["source"]) == ("steered", "field")
    wrong = (await explained(client, body={"model": "m:xx"})).json()["error"]
    assert (wrong["code"], wrong["param"]) == (400, "model")


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"tenant": "nobody"}, "tenant"),
        ({"route": 7}, "route"),
        ({"rout": "/"}, "rout"),
        ({"headers": {"a": 1}}, "headers.a.str"),
    ],
)
async def test_what_is_no_question_is_a_400(
    client: httpx.AsyncClient, asked: Any, param: str
) -> None:
    answer = await explained(client, **asked)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("depth", [100, 400, 800, 900, 950, 990, 2000])
async def test_however_deep_a_body_is_there_is_an_answer(
    client: httpx.AsyncClient, depth: int
) -> None:
    body = b'{"body": {"user": ' + b"[" * depth + b"]" * depth + b"}}"
    answer = await client.post(
        "/policy/explain", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code in {200, 400}


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"\\ud800": 1}', b'"\\ud800"'])
async def test_bodies_that_cannot_be_read_are_a_400(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post(
        "/policy/explain", content=body, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)
