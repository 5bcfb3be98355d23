"""How our endpoints answer what goes wrong: always in the OpenAI form."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
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
