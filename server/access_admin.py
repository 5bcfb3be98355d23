"""Endpoints for operators: the access file in force, and reading it again."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from server.access_file import AccessFile
from server.answers import answers
from server.errors import ForbiddenError
from server.invalid_file import INVALID_FILE, invalid_file
from server.own_route import OwnRoute
from server.routes import OWN_PATHS
from server.schemas.access import AccessAnswer
from server.yamlfile.problem import FileError


def router(access: Callable[[], AccessFile]) -> APIRouter:
    """The endpoints; the rules themselves say who may use them.

    Args:
        access: gives the access file.
    """
    routes = APIRouter(prefix=f"{OWN_PATHS}access", tags=["access"], route_class=OwnRoute)

    @routes.get("", summary="Show the access file", responses=answers(AccessAnswer, ForbiddenError))
    async def show() -> AccessAnswer:
        """The rules in force: names, limits and who is admin."""
        return _describe(access())

    @routes.post(
        "/reload",
        summary="Reload the access file",
        response_model=AccessAnswer,
        responses=answers(AccessAnswer, ForbiddenError) | INVALID_FILE,
    )
    async def reload() -> AccessAnswer | JSONResponse:
        """Read the file again; one that cannot be used is refused, and the rules stay."""
        try:
            await access().reload()
        except FileError as error:
            return invalid_file(error)
        return _describe(access())

    return routes


def _describe(access: AccessFile) -> AccessAnswer:
    rules = access.rules
    return AccessAnswer.model_validate(
        {
            "object": "steering.access",
            "path": str(access.path),
            "loaded_at": access.loaded_at,
            "digest": rules.digest,
            "warnings": [*rules.warnings],
            **rules.describe(),
        }
    )
