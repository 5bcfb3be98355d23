"""Our errors as HTTP answers, wherever in an application they are raised."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from server.errors import ApiError


def answer_errors(app: FastAPI) -> None:
    """Have `ApiError` of `app`'s endpoints answered in OpenAI's form; more calls do no harm."""
    app.add_exception_handler(ApiError, _answer)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)  # registered for nothing else
    return JSONResponse(error.to_body(), error.status)
