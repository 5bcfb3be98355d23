"""vLLM's endpoint plugin: the middleware, our endpoints, and the start-up handshake."""

from __future__ import annotations

import asyncio
import logging
import os
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from profiles.models.fingerprint import fingerprint
from profiles.sharing.keys import PublicKeys
from server import model_list, own_api
from server.access.middleware import AccessMiddleware
from server.access_file import AccessFile
from server.aliases import Aliases
from server.catalog import Catalog
from server.control import Control, EngineFacts
from server.facts import FactsRefresh
from server.gate import Gate
from server.hangup import Hangup
from server.leases import Leases
from server.metrics import Metrics
from server.middleware import SteeringMiddleware
from server.monitor.answer_log import AnswerLog
from server.monitor.monitor import Monitor
from server.observed import Observed
from server.playground import router as playground
from server.policy_file import PolicyFile
from server.registry import Registry
from server.request_log import RequestLog
from server.scan import scan
from server.settings import Settings
from steering.errors import EngineError

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures


class SteeringEndpoints:
    """Entry point `langsteer` of the group vllm.endpoint_plugins.

    vLLM calls `attach_router` while it builds its application, before the API-key check is
    added, so that the check is the outer one; and `init_state` before it starts to listen.

    Raises:
        LangsteerError: the settings are bad; from `attach_router`, the policy or access file.
    """

    name = "langsteer"
    # Not ("generate",): vLLM would then serve a model that cannot generate without us, silently.
    required_tasks: tuple[str, ...] | None = None

    def __init__(self) -> None:
        self._settings = Settings.load()
        key = self._settings.profile_key
        # Once: whoever can change the file later cannot have other profiles loaded by that.
        self._keys = PublicKeys.read(key) if key else None
        self._metrics: Metrics | None = None
        self._registry: Registry | None = None
        self._control: Control | None = None
        self._leases = Leases()
        self._policy: PolicyFile | None = None
        self._access: AccessFile | None = None
        self._monitor: Monitor | None = None
        self._models: tuple[str, ...] = ()
        self._no_reasoning = ""
        self._vllm_models: Any = None

    def attach_router(self, app: FastAPI) -> None:
        """Add middleware and endpoints; once a process, as the metrics can be made only once."""
        settings, metrics = self._settings, Metrics()
        self._metrics = metrics
        self._monitor = self._make_monitor(metrics)
        aliases: Aliases | None = None
        if settings.model_aliases:
            aliases = Aliases(lambda: self._models, lambda: self._vllm_models.lora_requests)
        gate: Gate | None = None
        if settings.policy is not None:
            policy = PolicyFile(
                settings.policy,
                settings.max_strength,
                self._catalog,
                metrics.policy_reloaded,
                lambda: self._no_reasoning,
            )
            self._policy = policy
            gate = Gate(
                lambda: policy.book,
                catalog=self._catalog,
                metrics=metrics,
                default_model=self._default_model,
                max_strength=settings.max_strength,
                max_body=settings.max_body_mb << 20,
                aliases=aliases,
                no_reasoning=lambda: self._no_reasoning,
            )
        refresh = FactsRefresh(self._facts, metrics, settings.metrics_timeout)
        app.add_middleware(
            SteeringMiddleware,
            catalog=self._catalog,
            metrics=metrics,
            leases=self._leases,
            refresh=refresh,
            max_strength=settings.max_strength,
            max_body=settings.max_body_mb << 20,
            gate=gate,
            monitor=self._monitor,
            aliases=aliases,
            no_reasoning=lambda: self._no_reasoning,
        )
        if settings.access is not None:
            access = AccessFile(settings.access, metrics.access_reloaded)
            self._access = access
            # Outside the others: who is refused costs nothing further in.
            app.add_middleware(AccessMiddleware, rules=lambda: access.rules, metrics=metrics)
        # Outermost: refusals are recorded too.
        log: RequestLog | None = None
        if settings.request_log is not None:
            log = RequestLog(settings.request_log, metrics.unlogged)
        app.add_middleware(Observed, log=log)
        self._attach_endpoints(app, refresh, aliases)

    def _attach_endpoints(
        self, app: FastAPI, refresh: FactsRefresh, aliases: Aliases | None
    ) -> None:
        policy, access = self._policy, self._access
        if aliases is not None:
            model_list.attach(app, aliases, self._catalog)
        own_api.attach(
            app,
            registry=self._running_registry,
            control=self._running_control,
            engine=refresh,
            policy=None if policy is None else lambda: policy,
            default_model=self._default_model,
            aliases=aliases,
            access=None if access is None else lambda: access,
        )
        if self._settings.playground:
            playground.attach(app, self._settings.max_strength)

    def _make_monitor(self, metrics: Metrics) -> Monitor | None:
        settings = self._settings
        if settings.monitor == "off":
            return None
        log: AnswerLog | None = None
        if settings.monitor_log is not None:
            log = AnswerLog(
                settings.monitor_log,
                sample=settings.monitor_sample,
                sample_miss=settings.monitor_sample_miss,
                text=settings.monitor_text,
            )
        return Monitor(
            catalog=self._catalog,
            metrics=metrics,
            everything=settings.monitor == "all",
            log=log,
        )

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
        self._models = tuple(getattr(args, "served_model_name", None) or [args.model])
        self._vllm_models = getattr(state, "openai_serving_models", None)
        if self._settings.model_aliases and self._vllm_models is None:
            raise EngineError("this vLLM does not say what models it serves: no --model-aliases")
        model = await asyncio.to_thread(fingerprint, Path(args.model), self._settings.model)
        control = EngineControl(engine_client)
        registry = Registry(
            partial(scan, self._settings.profiles_dir, model, keys=self._keys),
            control,
            self._leases,
            self._settings.max_strength,
            self._count_profiles,
        )
        await registry.start()
        self._no_reasoning = (await control.facts()).no_reasoning
        self._control, self._registry = control, registry
        if self._monitor is not None:
            await asyncio.to_thread(self._monitor.load)
        self._start_policy(args)
        if self._access is not None:
            self._access.report()
        files = [file for file in (self._policy, self._access) if file is not None]
        if files:
            Hangup(files).listen()

    def _start_policy(self, args: Namespace) -> None:
        """What of the policy needs the running server: profiles."""
        if self._policy is None:
            return
        self._policy.report()
        if self._policy.book.tenants.names and not (
            getattr(args, "api_key", None)
            or os.environ.get("VLLM_API_KEY")
            or (self._access is not None and self._access.rules.keyed)
        ):
            logger.warning(
                "the policy has tenants and this server checks no API keys: whoever sends another "
                "key, or none, is none of them, unless a gateway before it checks"
            )

    def _count_profiles(self, offered: int) -> None:
        if self._metrics is not None:
            self._metrics.profiles(offered)

    def _default_model(self) -> str:
        return next(iter(self._models), "")

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
