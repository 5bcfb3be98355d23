"""Endpoints for operators: the access file in force, and reading it again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse

from server.access_file import AccessFile
from server.invalid_file import invalid_file
from server.routes import OWN_PATHS
from server.yamlfile.problem import FileError


def attach(app: FastAPI, access: AccessFile) -> None:
    """Add the endpoints to `app`; the rules themselves say who may use them."""
    router = APIRouter(prefix=f"{OWN_PATHS}access", tags=["langsteer"])

    @router.get("")
    async def show() -> dict[str, Any]:
        """The rules in force."""
        return _describe(access)

    @router.post("/reload", response_model=None)
    async def reload() -> dict[str, Any] | JSONResponse:
        """Read the file again; one that cannot be used is refused, and the rules stay."""
        try:
            await access.reload()
        except FileError as error:
            return invalid_file(error)
        return _describe(access)

    app.include_router(router)


def _describe(access: AccessFile) -> dict[str, Any]:
    rules = access.rules
    return {
        "object": "steering.access",
        "path": str(access.path),
        "loaded_at": access.loaded_at,
        "digest": rules.digest,
        "warnings": [*rules.warnings],
        **rules.describe(),
    }
