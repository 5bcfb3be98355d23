"""Endpoints for probes, without an API key: they tell nothing but the state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Response

from server.answers import answers
from server.catalog import Catalog
from server.own_route import OwnRoute
from server.routes import HEALTH_PATHS
from server.schemas.health import Liveness, Readiness

_UNREADY: dict[int | str, dict[str, Any]] = {
    503: {
        "model": Readiness,
        "description": "It cannot serve steered requests now.",
        "content": {
            "application/json": {
                "example": {"status": "not ready", "reasons": ["the engine does not answer"]}
            }
        },
    }
}


def router(catalog: Callable[[], Catalog], engine: Callable[[], Awaitable[bool]]) -> APIRouter:
    """The endpoints.

    Args:
        catalog: gives the profiles on offer now.
        engine: asks whether the engine answers in time; raises nothing. Anybody may call this as
            often as they like, so it must not ask the engine twice at a time.
    """
    routes = APIRouter(prefix=HEALTH_PATHS.rstrip("/"), tags=["health"], route_class=OwnRoute)

    @routes.get("/live", summary="Is the process alive?", responses=answers(Liveness))
    async def live() -> Liveness:
        """The API server's process answers; whatever the engine does."""
        return Liveness(status="alive")

    @routes.get("/ready", summary="Can it serve?", responses={**answers(Readiness), **_UNREADY})
    async def ready(response: Response) -> Readiness:
        """Profiles are on offer, and the engine answers within `LANGSTEER_METRICS_TIMEOUT`."""
        answered = await engine()
        found = Readiness.model_validate(_state(len(catalog()), answered))
        response.status_code = 503 if found.reasons else 200
        return found

    return routes


def _state(profiles: int, answered: bool) -> dict[str, Any]:
    reasons = ["no profile is on offer"] if not profiles else []
    if not answered:
        reasons.append("the engine does not answer")
    return {"status": "not ready" if reasons else "ready", "reasons": reasons}
