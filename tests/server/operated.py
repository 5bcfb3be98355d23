"""A registry with its operator's client, and surroundings in which the plugin starts."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY

import server.app
from profiles.profile import ModelIdentity
from server import admin
from server.leases import Leases
from server.registry import Registry
from server.scan import scan


async def started(
    folder: Path, control: Any, model: ModelIdentity, leases: Leases | None = None
) -> Registry:
    """A registry of the folder's profiles, on offer."""
    registry = Registry(partial(scan, folder, model), control, leases or Leases(), 8.0)
    await registry.start()
    return registry


@asynccontextmanager
async def operator(registry: Registry, control: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the operator's endpoints."""
    app = FastAPI()
    app.include_router(admin.router(lambda: registry, lambda: control))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/v1/steering") as client:
        yield client


@contextmanager
def plugged(
    folder: Path, control: Any, model: ModelIdentity, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The plugin's settings, and a stand-in for the engine; what it counts is forgotten then."""
    engine = ModuleType("steering.engine.control")
    engine.EngineControl = lambda client: control  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "steering.engine.control", engine)
    monkeypatch.setattr(server.app, "fingerprint", lambda path, name: model)
    monkeypatch.setenv("LANGSTEER_PROFILES_DIR", str(folder))
    monkeypatch.setenv("LANGSTEER_MODEL", "tiny")
    before = set(REGISTRY._collector_to_names)
    yield
    for collector in set(REGISTRY._collector_to_names) - before:
        REGISTRY.unregister(collector)
