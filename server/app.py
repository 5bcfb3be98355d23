"""vLLM's endpoint plugin: the middleware, our endpoints, and the start-up handshake."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from profiles.models.fingerprint import fingerprint
from server import admin
from server.catalog import Catalog
from server.control import Control, EngineFacts
from server.facts import FactsRefresh
from server.leases import Leases
from server.metrics import Metrics
from server.middleware import SteeringMiddleware
from server.registry import Registry
from server.scan import scan
from server.settings import Settings
from steering.errors import EngineError


class SteeringEndpoints:
    """Entry point `langsteer` of the group vllm.endpoint_plugins.

    vLLM calls `attach_router` while it builds its application, before the API-key check is
    added, so that the check is the outer one; and `init_state` before it starts to listen.

    Raises:
        LangsteerError: the settings are bad.
    """

    name = "langsteer"
    # Not ("generate",): vLLM would then serve a model that cannot generate without us, silently.
    required_tasks: tuple[str, ...] | None = None

    def __init__(self) -> None:
        self._settings = Settings.load()
        self._metrics: Metrics | None = None
        self._registry: Registry | None = None
        self._control: Control | None = None
        self._leases = Leases()

    def attach_router(self, app: FastAPI) -> None:
        """Add middleware and endpoints; once a process, as the metrics can be made only once."""
        settings, metrics = self._settings, Metrics()
        self._metrics = metrics
        app.add_middleware(
            SteeringMiddleware,
            catalog=self._catalog,
            metrics=metrics,
            leases=self._leases,
            refresh=FactsRefresh(self._facts, metrics, settings.metrics_timeout),
            max_strength=settings.max_strength,
            max_body=settings.max_body_mb << 20,
        )
        admin.attach(app, self._running_registry, self._running_control)

    async def init_state(self, engine_client: Any, state: Any, args: Namespace) -> None:
        """Load every profile into every worker and prove the effect; the server waits for this.

        Raises:
            LangsteerError: the engine is not able to steer, or a profile cannot be loaded. The
                server then does not start.
        """
        from steering.engine.control import EngineControl

        if engine_client is None:
            raise EngineError("langsteer needs an engine; the render server has none")
        if "generate" not in await engine_client.get_supported_tasks():
            raise EngineError("this model does not generate text, so there is nothing to steer")
        model = await asyncio.to_thread(fingerprint, Path(args.model), self._settings.model)
        control = EngineControl(engine_client)
        registry = Registry(
            partial(scan, self._settings.profiles_dir, model),
            control,
            self._leases,
            self._settings.max_strength,
            self._count_profiles,
        )
        await registry.start()
        self._control, self._registry = control, registry

    def _count_profiles(self, offered: int) -> None:
        if self._metrics is not None:
            self._metrics.profiles(offered)

    def _catalog(self) -> Catalog:
        return self._running_registry().catalog

    async def _facts(self) -> EngineFacts:
        return await self._running_control().facts()

    def _running_registry(self) -> Registry:
        if self._registry is None:
            raise EngineError("langsteer is not initialised")
        return self._registry

    def _running_control(self) -> Control:
        if self._control is None:
            raise EngineError("langsteer is not initialised")
        return self._control
