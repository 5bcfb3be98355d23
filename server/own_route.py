"""How our endpoints answer what goes wrong: always in the OpenAI form."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from profiles.errors import LangsteerError
from server.errors import ApiError, BadRequestError, EngineUnavailableError
from server.spelled import spelled


class OwnRoute(APIRoute):
    """A route whose errors do not depend on the application it is in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, and what it raises turned into answers."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except (ApiError, LangsteerError, RequestValidationError, HTTPException) as error:
                known = _as_api_error(error)
                return JSONResponse(spelled(known.to_body()), known.status, dict(known.headers))

        return answer


def answer_heads(router: APIRouter) -> None:
    """Have every path of `router` that takes GET take HEAD too, which uptime checks send.

    The HTTP server leaves the body out. FastAPI, unlike Starlette, adds no HEAD; as a method of the
    same route it would be an endpoint of its own in the OpenAPI document.

    Args:
        router: with our own routes; not yet part of an application.
    """
    for route in [*router.routes]:
        if isinstance(route, APIRoute) and route.methods == {"GET"}:
            head = type(route)(
                route.path,
                route.endpoint,
                methods=["HEAD"],
                response_model=route.response_model,
                include_in_schema=False,
            )
            router.routes.append(head)


def _as_api_error(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, LangsteerError):
        return EngineUnavailableError(str(error), reason="engine")
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        # The first of it says where it is: path, query or body.
        place = ".".join(str(part) for part in first["loc"][1:]) or None
        text = f"{place}: {first['msg']}" if place else str(first["msg"])
        return BadRequestError(text[:500], param=place and place[:100], reason="bad_value")
    return BadRequestError("the body cannot be read as JSON", reason="malformed_body")
