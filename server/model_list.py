"""`GET /v1/models` with the aliases, in vLLM's place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request

from server.aliases import Aliases
from server.catalog import Catalog

PATH = "/v1/models"


def attach(app: FastAPI, aliases: Aliases, catalog: Callable[[], Catalog]) -> None:
    """Add the endpoint to `app`: vLLM has a plugin's replace its own of the same path.

    Args:
        app: vLLM's application; its API-key check covers the endpoint, as all of /v1.
        aliases: the names to add.
        catalog: gives the profiles on offer now.
    """

    @app.get(PATH)
    async def models(request: Request) -> dict[str, Any]:
        """What vLLM lists, and after it every alias."""
        listed = await request.app.state.openai_serving_models.show_available_models()
        body: dict[str, Any] = listed.model_dump()
        return {**body, "data": [*body["data"], *aliases.cards(body["data"], catalog())]}
