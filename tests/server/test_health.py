from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from server import health
from server.catalog import Catalog
from server.facts import FactsRefresh
from server.metrics import Metrics
from server.routes import makes_no_text
from steering.errors import EngineError


class Engine:
    """An engine that answers, until told otherwise."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0
        self.broken = self.hangs = False

    async def facts(self) -> Any:
        self.asked += 1
        if self.broken:
            raise EngineError("a secret")
        if self.hangs:
            await asyncio.sleep(30)
        return self.answer


@pytest.fixture
def engine(control: Any) -> Engine:
    return Engine(control.answer)


@pytest.fixture
async def client(engine: Engine, catalog: Catalog) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    refresh = FactsRefresh(engine.facts, Metrics(CollectorRegistry()), timeout=0.05)
    app.state.catalog = catalog
    app.include_router(health.router(lambda: app.state.catalog, refresh))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test/steering/health"
    ) as client:
        client.app = app  # type: ignore[attr-defined]
        yield client
    if refresh._pending:
        refresh._pending.cancel()


async def test_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/live")).json() == {"status": "alive"}
    answer = await client.get("/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "reasons": []})


async def test_an_engine_that_fails_or_hangs(client: httpx.AsyncClient, engine: Engine) -> None:
    engine.broken = True
    answer = await client.get("/ready")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["the engine does not answer"])
    engine.broken, engine.hangs, engine.asked = False, True, 0
    for _ in range(3):
        answer = await client.get("/ready")
        assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
    assert engine.asked == 1
    assert (await client.get("/live")).status_code == 200


async def test_no_profiles(client: httpx.AsyncClient) -> None:
    client.app.state.catalog = Catalog()  # type: ignore[attr-defined]
    answer = await client.get("/ready")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["no profile is on offer"])


def test_no_policy_stands_before_probes() -> None:
    assert makes_no_text("/steering/health/ready")
