"""Endpoints for operators: which profiles are on offer, load new ones, look at the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query

from profiles.errors import LangsteerError
from profiles.profile import Edit
from server.catalog import Catalog, Entry
from server.control import Control
from server.error_answers import answer_errors
from server.errors import EngineUnavailableError, NotFoundError
from server.registry import Registry
from server.routes import OWN_PATHS
from steering.errors import EngineError

_LONGEST_WAIT = 3600.0


def attach(app: FastAPI, registry: Callable[[], Registry], control: Callable[[], Control]) -> None:
    """Add the endpoints to `app`.

    Args:
        app: vLLM's application; its API-key check covers them, as all of /v1.
        registry, control: give what exists only once the engine runs.
    """
    router = APIRouter(prefix=OWN_PATHS.rstrip("/"), tags=["langsteer"])

    @router.get("/profiles")
    async def profiles() -> dict[str, Any]:
        """Every profile on offer."""
        return {"object": "list", "data": [_describe(entry) for entry in registry().catalog]}

    @router.get("/profiles/{name}")
    async def profile(name: str) -> dict[str, Any]:
        """One profile, by name or name@version."""
        return _describe(_find(registry().catalog, name))

    @router.post("/profiles/reload")
    async def reload() -> dict[str, Any]:
        """Read the folder again; what cannot be loaded is listed, what is served stays."""
        try:
            report = await registry().reload()
        except LangsteerError as error:
            raise EngineUnavailableError(str(error), reason="engine") from error
        return {"object": "steering.reload", **asdict(report)}

    @router.post("/profiles/{name}/unload")
    async def unload(
        name: str,
        wait: Annotated[
            float | None,
            Query(
                ge=0,
                le=_LONGEST_WAIT,
                description="Seconds to wait for requests in flight; without it their use of "
                "the profile is a 409, and nothing changes.",
            ),
        ] = None,
    ) -> dict[str, Any]:
        """Take a profile out of the engine, by name or name@version; its file stays."""
        entry = _find(registry().catalog, name)
        try:
            state = await registry().unload(entry, wait=wait)
        except EngineError as error:
            raise EngineUnavailableError(str(error), reason="engine") from error
        return {"object": "steering.unload", "id": entry.label, "state": state}

    @router.get("/status")
    async def status() -> dict[str, Any]:
        """The engine's own figures."""
        try:
            facts = await control().facts()
        except LangsteerError as error:
            raise EngineUnavailableError(str(error), reason="engine") from error
        return {
            "object": "steering.status",
            "engines": facts.engines,
            "workers": facts.workers,
            "profiles_offered": len(registry().catalog),
            "profiles_in_engine": list(facts.profiles),
            "profiles_draining": list(registry().draining),
            "rows": facts.rows,
            "rows_in_use": facts.rows_in_use,
            "edited_tokens": facts.edited_tokens,
            "columns": list(facts.columns),
            "columns_taken": list(facts.columns_taken),
            "memories": facts.memories,
            "memories_taken": facts.memories_taken,
        }

    app.include_router(router)
    answer_errors(app)


def _find(catalog: Catalog, name: str) -> Entry:
    entry = catalog.get(name.partition("@")[0])
    if entry is None or name not in {entry.name, entry.label}:
        raise NotFoundError(
            f"no profile {name[:60]!r} is loaded; available are {catalog.names()}",
            param="name",
            reason="unknown_profile",
        )
    return entry


def _describe(entry: Entry) -> dict[str, Any]:
    profile = entry.profile
    return {
        "id": entry.label,
        "object": "steering.profile",
        "name": entry.name,
        "version": profile.version,
        "language": profile.language,
        "content_hash": profile.content_hash,
        "model": profile.model.name,
        "method": profile.provenance.get("method"),
        "created": entry.created,
        "loaded_at": entry.loaded_at,
        "edits": {role: _contents(edit) for role, edit in profile.edits().items()},
    }


def _contents(edit: Edit) -> dict[str, Any]:
    per_layer: dict[int, int] = {}
    for layer in edit.neurons.layer.tolist() if edit.neurons else ():
        per_layer[layer] = per_layer.get(layer, 0) + 1
    return {
        "neurons": sum(per_layer.values()),
        "neurons_per_layer": {str(layer): per_layer[layer] for layer in sorted(per_layer)},
        "offset_layers": sorted(edit.offsets.layer.tolist()) if edit.offsets else [],
        "memory_layers": sorted(edit.memories.layer.tolist()) if edit.memories else [],
    }
