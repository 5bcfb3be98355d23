"""All of langsteer's endpoints, put into vLLM's application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI

from server import admin, health, policy_admin
from server.catalog import Catalog
from server.control import Control
from server.openapi import described
from server.policy_file import PolicyFile
from server.registry import Registry


def attach(
    app: FastAPI,
    *,
    registry: Callable[[], Registry],
    control: Callable[[], Control],
    engine: Callable[[], Awaitable[bool]],
    policy: Callable[[], PolicyFile] | None = None,
    default_model: Callable[[], str] = str,
) -> None:
    """Add the endpoints to `app`, and steering to its OpenAPI document.

    Args:
        app: vLLM's application; its API-key check covers what is below /v1.
        registry, control: give what exists only once the engine runs.
        engine: asks whether the engine answers in time; raises nothing.
        policy: gives the policy's file; None without a policy, which has no endpoints then.
        default_model: gives what a request without `model` means; "" while that is unknown.
    """

    def catalog() -> Catalog:
        return registry().catalog

    app.include_router(admin.router(registry, control))
    app.include_router(health.router(catalog, engine))
    if policy is not None:
        app.include_router(policy_admin.router(policy, catalog, default_model))
    document = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = described(document())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
