from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from starlette.types import ASGIApp, Receive, Scope, Send

import server.app
from profiles.profile import ModelIdentity
from server.app import SteeringEndpoints
from steering.errors import EngineError


class Client:
    """An engine client, as far as the plugin looks at it."""

    def __init__(self, *tasks: str) -> None:
        self.tasks = tasks

    async def get_supported_tasks(self) -> tuple[str, ...]:
        return self.tasks


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
    engine = ModuleType("steering.engine.control")
    engine.EngineControl = lambda client: control  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "steering.engine.control", engine)
    monkeypatch.setattr(server.app, "fingerprint", lambda path, name: model)
    monkeypatch.setenv("LANGSTEER_PROFILES_DIR", str(folder))
    monkeypatch.setenv("LANGSTEER_MODEL", "tiny")
    before = set(REGISTRY._collector_to_names)
    yield SteeringEndpoints()
    for collector in set(REGISTRY._collector_to_names) - before:
        REGISTRY.unregister(collector)


@pytest.fixture
def app(plugin: SteeringEndpoints) -> FastAPI:
    app = FastAPI()

    @app.post("/v1/completions")
    async def completions(body: dict[str, Any]) -> dict[str, Any]:
        return body

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
