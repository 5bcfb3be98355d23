from __future__ import annotations

import asyncio
import json
import os
import signal
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from prometheus_client import REGISTRY
from starlette.types import ASGIApp, Receive, Scope, Send

from profiles.profile import ModelIdentity
from server.app import SteeringEndpoints
from server.keyring import hash_key
from steering.errors import EngineError
from tests.server.operated import plugged


class Client:
    """An engine client, as far as the plugin looks at it."""

    def __init__(self, *tasks: str) -> None:
        self.tasks = tasks

    async def get_supported_tasks(self) -> tuple[str, ...]:
        return self.tasks


class Models:
    """vLLM's list of what it serves, as far as the plugin looks at it."""

    def __init__(self, *names: str, adapters: tuple[str, ...] = ()) -> None:
        self.names = names
        self.lora_requests = dict.fromkeys(adapters)

    async def show_available_models(self) -> Models:
        return self

    def model_dump(self) -> dict[str, Any]:
        names = [*self.names, *self.lora_requests]
        return {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


class KeyCheck:
    """Stands for vLLM's API-key middleware, which is added after the plugin's."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (b"authorization", b"Bearer k") not in scope["headers"]:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.app(scope, receive, send)


@pytest.fixture
def plugin(
    folder: Path, control: Any, model: ModelIdentity, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SteeringEndpoints]:
    with plugged(folder, control, model, monkeypatch):
        yield SteeringEndpoints()


@pytest.fixture
def app(plugin: SteeringEndpoints) -> FastAPI:
    app = FastAPI()

    app.post("/v1/completions")(echo)
    plugin.attach_router(app)
    app.add_middleware(KeyCheck)
    return app


async def test_from_start_to_a_steered_request(plugin: SteeringEndpoints, app: FastAPI) -> None:
    await plugin.init_state(Client("generate"), app.state, Namespace(model="/m"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        wish = {"steering": {"target": "de"}}
        assert (await client.post("/v1/completions", json=wish)).status_code == 401
        assert (await client.get("/v1/steering/profiles")).status_code == 401
        client.headers["Authorization"] = "Bearer k"
        echoed = (await client.post("/v1/completions", json=wish)).json()
        assert "steering" not in echoed
        assert len(echoed["vllm_xargs"]["langsteer_target"]) == 64
        assert len((await client.get("/v1/steering/profiles")).json()["data"]) == 2
        await client.get("/metrics")
    assert REGISTRY.get_sample_value("langsteer_profiles_loaded") == 2


async def test_reasoning_is_steered_apart_where_the_engine_can(
    plugin: SteeringEndpoints, app: FastAPI, control: Any
) -> None:
    wish = {"steering": {"target": "de", "reasoning": "off"}}
    for why in ("start it with --reasoning-parser", ""):
        control.answer.no_reasoning = why
        await plugin.init_state(Client("generate"), app.state, Namespace(model="/m"))
        transport = httpx.ASGITransport(app)
        headers = {"Authorization": "Bearer k"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://test", headers=headers
        ) as client:
            answer = await client.post("/v1/completions", json=wish)
            status = (await client.get("/v1/steering/status")).json()
        assert status["no_reasoning"] == (why or None)
        if why:
            assert answer.status_code == 400
            assert why in answer.json()["error"]["message"]
        else:
            assert answer.json()["vllm_xargs"]["langsteer_reasoning"] == "off"
            assert answer.headers["x-steering-profile"].endswith("; reasoning=off")


async def test_aliases_are_listed_and_a_reload_changes_the_list(
    plugin: SteeringEndpoints, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSTEER_MODEL_ALIASES", "1")
    plugin = SteeringEndpoints()
    app = FastAPI()
    app.post("/v1/completions")(echo)
    plugin.attach_router(app)
    args = Namespace(model="/m", served_model_name=["tiny", "a:de"])
    with pytest.raises(EngineError, match="no --model-aliases"):
        await plugin.init_state(Client("generate"), app.state, args)
    app.state.openai_serving_models = Models("tiny", "a:de", adapters=("b:de",))
    await plugin.init_state(Client("generate"), app.state, args)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

        async def listed() -> list[str]:
            answer = await client.get("/v1/models")
            assert int(answer.headers["content-length"]) == len(answer.content)
            return [card["id"] for card in answer.json()["data"]]

        own = ["tiny", "a:de", "b:de"]
        assert await listed() == [*own, "tiny:de", "tiny:ja", "a:de:de", "a:de:ja"]
        answer = await client.post("/v1/completions", json={"model": "tiny:ja"})
        assert answer.json()["model"] == "tiny"
        assert answer.headers["x-steering-profile"].startswith("ja@")
        (folder / "ja.safetensors").unlink()
        assert (await client.post("/v1/steering/profiles/reload")).status_code == 200
        assert await listed() == [*own, "tiny:de", "a:de:de"]
        answer = await client.post("/v1/completions", json={"model": "tiny:ja"})
        assert answer.status_code == 400
        for name in ("a:de", "b:de"):
            answer = await client.post("/v1/completions", json={"model": name})
            assert "x-steering-profile" not in answer.headers


async def test_without_aliases_vllm_lists_its_models(app: FastAPI) -> None:
    assert "/v1/models" not in {getattr(route, "path", "") for route in app.routes}


async def test_answers_are_watched_unless_it_is_off(
    plugin: SteeringEndpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plugin._monitor is None
    monkeypatch.setenv("LANGSTEER_MONITOR_LOG", str(tmp_path / "log.jsonl"))
    monkeypatch.setenv("LANGSTEER_MONITOR_TEXT", "full")
    plugin = SteeringEndpoints()
    app = FastAPI()
    text = "Das ist eine Antwort auf Deutsch, und sie ist lang genug dafür. " * 2

    @app.post("/v1/completions")
    async def answer(body: dict[str, Any]) -> dict[str, Any]:
        return {"choices": [{"index": 0, "text": text}]}

    plugin.attach_router(app)
    await plugin.init_state(Client("generate"), app.state, Namespace(model="/m"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.post("/v1/completions", json={"steering": {"target": "ja"}})
        await client.post("/v1/completions", json={})
    assert plugin._monitor
    assert not plugin._monitor.everything
    assert plugin._monitor.worker.settle(20)
    labels = {"wanted": "ja", "found": "de", "verdict": "miss", "policy": "", "part": "answer"}
    assert REGISTRY.get_sample_value("langsteer_answers_total", labels) == 1
    assert plugin._monitor._log
    plugin._monitor._log.close()
    (line,) = (tmp_path / "log.jsonl").read_text().splitlines()
    assert json.loads(line)["text"] == text


def test_no_monitor_where_it_is_off(
    plugin: SteeringEndpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSTEER_MONITOR", "off")
    plugin = SteeringEndpoints()
    plugin.attach_router(FastAPI())
    assert plugin._monitor is None


@pytest.mark.parametrize(("setting", "status"), [("1", 200), ("0", 404)])
async def test_the_playground_is_there_unless_it_is_off(
    plugin: SteeringEndpoints, monkeypatch: pytest.MonkeyPatch, setting: str, status: int
) -> None:
    monkeypatch.setenv("LANGSTEER_PLAYGROUND", setting)
    app = FastAPI()
    SteeringEndpoints().attach_router(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for path in ("/steering", "/steering/main.js"):
            assert (await client.get(path)).status_code == status
        sample = {"text": "Das ist ein Satz auf Deutsch."}
        answer = await client.post("/v1/steering/identify", json=sample)
        assert answer.json()["language"] == "de"


POLICY = """
version: 1
defaults: {target: [{language: ja}]}
tenants: {t: [HASH]}
rules: [{name: t, when: {tenant: t, model: tiny}, target: [{language: de}]}]
""".replace("HASH", hash_key("k"))


async def test_a_policy_from_start_to_a_reload(
    plugin: SteeringEndpoints,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    monkeypatch.setenv("LANGSTEER_POLICY", str(file))
    plugin = SteeringEndpoints()
    app = FastAPI()
    app.post("/v1/completions")(echo)
    plugin.attach_router(app)
    args = Namespace(model="/m", served_model_name=["tiny"], api_key=None)
    await plugin.init_state(Client("generate"), app.state, args)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
    assert "checks no API keys" in caplog.text
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        tenant = {"Authorization": "Bearer k"}
        answer = await client.post("/v1/completions", json={}, headers=tenant)
        assert answer.headers["x-steering-policy"] == "t"
        assert answer.headers["x-steering-profile"].startswith("de@")
        file.write_text(POLICY.replace("language: de", "language: ja"))
        assert (await client.post("/v1/steering/policy/reload")).status_code == 200
        answer = await client.post("/v1/completions", json={}, headers=tenant)
        assert answer.headers["x-steering-profile"].startswith("ja@")
        assert (await client.get("/v1/steering/policy", headers=tenant)).status_code == 403
    name = "langsteer_policy_reloads_total"
    assert REGISTRY.get_sample_value(name, {"result": "ok"}) == 1


ACCESS = f"""
keys:
  - {{name: t, hashes: ["{hash_key("k")}"]}}
  - {{name: operators, hashes: ["{hash_key("o")}"], admin: true}}
"""


async def test_keys_from_start_to_a_reload_with_a_policy_beside_them(
    plugin: SteeringEndpoints,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    policy, access = tmp_path / "policy.yaml", tmp_path / "access.yaml"
    policy.write_text(POLICY)
    access.write_text(ACCESS)
    monkeypatch.setenv("LANGSTEER_POLICY", str(policy))
    monkeypatch.setenv("LANGSTEER_ACCESS", str(access))
    plugin = SteeringEndpoints()
    app = FastAPI()
    app.post("/v1/completions")(echo)
    app.get("/health")(healthy)
    plugin.attach_router(app)
    args = Namespace(model="/m", served_model_name=["tiny"], api_key=None)
    await plugin.init_state(Client("generate"), app.state, args)
    try:
        assert "checks no API keys" not in caplog.text
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.post("/v1/completions", json={"steering": {"target": "de"}})
            # The policy was not asked: the layer is the outer one.
            assert (answer.status_code, "x-steering-policy" in answer.headers) == (401, False)
            assert (await client.get("/health")).status_code == 200
            tenant, operator = {"Authorization": "Bearer k"}, {"Authorization": "Bearer o"}
            answer = await client.post("/v1/completions", json={}, headers=tenant)
            assert answer.headers["x-steering-policy"] == "t"
            assert (await client.get("/v1/steering/profiles", headers=tenant)).status_code == 200
            assert (await client.get("/steering/health/ready")).status_code == 200
            assert (await client.get("/v1/steering/access", headers=tenant)).status_code == 403
            shown = await client.get("/v1/steering/access", headers=operator)
            assert [key["name"] for key in shown.json()["keys"]] == ["t", "operators"]
            access.write_text(ACCESS.replace(hash_key("k"), hash_key("new")))
            policy.write_text(POLICY.replace("language: de", "language: ja"))
            os.kill(os.getpid(), signal.SIGHUP)
            for _ in range(500):
                answer = await client.post("/v1/completions", json={}, headers=tenant)
                reloaded = REGISTRY.get_sample_value(
                    "langsteer_policy_reloads_total", {"result": "ok"}
                )
                if answer.status_code == 401 and reloaded:
                    break
                await asyncio.sleep(0.01)
            assert answer.status_code == 401
            access.write_text("keys: []")
            answer = await client.post("/v1/steering/access/reload", headers=operator)
            assert (answer.status_code, answer.json()["problems"][0]["line"]) == (422, 1)
            assert (await client.get("/v1/steering/access", headers=operator)).status_code == 200
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
    for kind, result in (("access", "ok"), ("access", "invalid"), ("policy", "ok")):
        name = f"langsteer_{kind}_reloads_total"
        assert REGISTRY.get_sample_value(name, {"result": result}) == 1


async def test_an_endpoint_is_asked_again_within_one_request(
    plugin: SteeringEndpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        "version: 1\ndefaults: {target: [{language: de}], enforce: {strengths: [2, 3]}}"
    )
    monkeypatch.setenv("LANGSTEER_POLICY", str(file))
    plugin = SteeringEndpoints()
    app = FastAPI()
    asked: list[float] = []

    @app.post("/v1/completions")
    async def answer(request: Request) -> dict[str, Any]:
        strength = float((await request.json())["vllm_xargs"]["langsteer_strength"])
        asked.append(strength)
        german = "Das ist nun ein Satz auf Deutsch, wie es gewünscht war. "
        text = german if strength > 2 else "This is a sentence in English, which nobody wanted. "
        return {"choices": [{"index": 0, "text": text * 2}]}

    plugin.attach_router(app)
    await plugin.init_state(Client("generate"), app.state, Namespace(model="/m"))
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        found = await client.post("/v1/completions", json={"prompt": "a"})
    assert len(asked) == 3
    assert asked[1:] == [2.0, 3.0]
    assert found.headers["x-steering-attempts"] == "3"
    assert found.headers["x-steering-verdict"] == "hit"
    assert found.json()["choices"][0]["text"].startswith("Das ist nun")


async def healthy() -> dict[str, str]:
    return {}


async def echo(body: dict[str, Any]) -> dict[str, Any]:
    return body


async def test_probes_and_the_document(
    plugin: SteeringEndpoints, control: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FastAPI()
    app.post("/v1/completions")(echo)
    app.post("/v1/completions/render")(echo)
    plugin.attach_router(app)
    await plugin.init_state(Client("generate"), app.state, Namespace(model="/m"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/steering/health/live")).status_code == 200
        assert (await client.get("/steering/health/ready")).json()["status"] == "ready"

        async def dead() -> None:
            raise EngineError("gone")

        monkeypatch.setattr(control, "facts", dead)
        assert (await client.get("/steering/health/ready")).status_code == 503
        assert (await client.get("/v1/steering/status")).status_code == 503
        document = (await client.get("/openapi.json")).json()
    steered = str(document["paths"]["/v1/completions"])
    assert "SteeredRequest" in steered
    assert "X-Steering-Profile" in steered
    assert "SteeredRequest" not in str(document["paths"]["/v1/completions/render"])
    # There is no policy.
    assert "/v1/steering/policy" not in document["paths"]


@pytest.mark.parametrize("client", [None, Client("embed")])
async def test_no_generating_engine_no_server(
    plugin: SteeringEndpoints, app: FastAPI, client: Any
) -> None:
    with pytest.raises(EngineError):
        await plugin.init_state(client, app.state, Namespace(model="/m"))


async def test_an_unarmed_worker_stops_the_start(
    plugin: SteeringEndpoints, app: FastAPI, control: Any
) -> None:
    control.armed = False
    with pytest.raises(EngineError, match="not armed"):
        await plugin.init_state(Client("generate"), app.state, Namespace(model="/m"))
