"""All of langsteer's endpoints, put into vLLM's application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI

from server import access_admin, admin, health, identification, policy_admin
from server.access_file import AccessFile
from server.aliases import Aliases
from server.catalog import Catalog
from server.control import Control
from server.no_endpoint import NoEndpoint, routes_below
from server.openapi import described
from server.own_route import answer_heads
from server.policy_file import PolicyFile
from server.registry import Registry
from server.routes import HEALTH_PATHS, OWN_PATHS


def attach(
    app: FastAPI,
    *,
    registry: Callable[[], Registry],
    control: Callable[[], Control],
    engine: Callable[[], Awaitable[bool]],
    policy: Callable[[], PolicyFile] | None = None,
    default_model: Callable[[], str] = str,
    aliases: Aliases | None = None,
    access: Callable[[], AccessFile] | None = None,
) -> None:
    """Add the endpoints to `app`, and steering to its OpenAPI document.

    Args:
        app: vLLM's application; its API-key check covers what is below /v1.
        registry, control: give what exists only once the engine runs.
        engine: asks whether the engine answers in time; raises nothing.
        policy: gives the policy's file; None without a policy, which has no endpoints then.
        default_model: gives what a request without `model` means; "" while that is unknown.
        aliases: of the model's names; None where it has none.
        access: gives the access file; None without one, which has no endpoints then.
    """

    def catalog() -> Catalog:
        return registry().catalog

    routers = [admin.router(registry, control, aliases), identification.router()]
    absent: dict[str, str] = {}
    if policy is not None:
        routers.append(policy_admin.router(policy, catalog, default_model, aliases))
    else:
        absent[f"{OWN_PATHS}policy"] = "this server was started without --policy"
    if access is not None:
        routers.append(access_admin.router(access))
    else:
        absent[f"{OWN_PATHS}access"] = "this server was started without --access"
    routers.append(health.router(catalog, engine))
    for router in routers:
        answer_heads(router)
        app.include_router(router)
    own = [route for router in routers for route in router.routes]
    # After all of them: a router takes the first route that fits.
    for prefix in (OWN_PATHS, HEALTH_PATHS):
        app.routes.append(NoEndpoint(prefix, routes_below(prefix, own), absent))
    document = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = described(document())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
