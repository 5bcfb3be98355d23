"""The endpoint that identifies the language of a text, as the monitor does."""

from __future__ import annotations

from typing import Any

import anyio
from fastapi import APIRouter, Request
from pydantic import ValidationError

from server.answers import answers
from server.errors import BadRequestError, BodyTooLargeError
from server.monitor.language import odds_of
from server.openapi import reference_to
from server.own_route import OwnRoute
from server.routes import IDENTIFY
from server.schemas.identification import Identification, IdentifyQuestion

MOST = 64 << 10  # bytes of a body
# The body is read by hand, as FastAPI has no bound for it: what is sent is said by hand too.
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": reference_to(IdentifyQuestion),
            "examples": {"a sentence": {"value": IdentifyQuestion.example}},
        }
    },
}


def router() -> APIRouter:
    """The endpoint; it is behind the API key, and tenants may use it."""
    routes = APIRouter(tags=["identification"], route_class=OwnRoute)
    # One at a time: identifying holds the interpreter's lock, which the event loop needs too.
    turn = anyio.CapacityLimiter(1)

    @routes.post(
        IDENTIFY,
        summary="Identify a language",
        responses=answers(Identification, BadRequestError, BodyTooLargeError),
        openapi_extra={"requestBody": _BODY},
    )
    async def identify(request: Request) -> Identification:
        """The language of a text, and how probable it is; the body has up to 64 KiB."""
        text = _text(await _body(request))
        language, probability = await anyio.to_thread.run_sync(odds_of, text, limiter=turn)
        return Identification(
            object="steering.identification", language=language, probability=probability
        )

    return routes


async def _body(request: Request) -> bytes:
    read = b""
    async for chunk in request.stream():
        read += chunk
        if len(read) > MOST:
            raise BodyTooLargeError(
                f"the body has more than {MOST} bytes: send a part of the text, a few sentences do",
                reason="too_large",
            )
    return read


def _text(body: bytes) -> str:
    try:
        return IdentifyQuestion.model_validate_json(body).text
    except ValidationError as error:
        (first, *_) = error.errors()
        param = str(first["loc"][0]) if first["loc"] else None
        raise BadRequestError(
            f'{param or "the body"}: {first["msg"]}; expected is {{"text": "…"}}',
            param=param,
            reason="bad_value",
        ) from error
