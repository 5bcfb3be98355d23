"""The endpoint that identifies the language of a text, as the monitor does."""

from __future__ import annotations

import anyio
from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.error_answers import answer_errors
from server.errors import BadRequestError, BodyTooLargeError
from server.monitor.language import odds_of
from server.routes import IDENTIFY

MOST = 64 << 10  # bytes of a body


class Sample(BaseModel):
    """A text whose language is asked for."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"text": "Das Fenster in der Küche war noch offen."}]},
    )

    text: str = Field(description="What to identify; under eight letters nothing can be told.")


class Identified(BaseModel):
    """What was found."""

    object: str = "steering.identification"
    language: str = Field(
        description='Primary language tag, "und" where it cannot be told.', examples=["de"]
    )
    probability: float = Field(
        description="Of that language, from 0 to 1; 0 where it cannot be told.", examples=[0.998]
    )


# The body is read by hand, as FastAPI has no bound for it: the schema is said by hand too.
_BODY = {"required": True, "content": {"application/json": {"schema": Sample.model_json_schema()}}}


def attach(app: FastAPI) -> None:
    """Add the endpoint to `app`; its API-key check covers it, and tenants may use it."""
    router = APIRouter(tags=["langsteer"])
    # One at a time: identifying holds the interpreter's lock, which the event loop needs too.
    turn = anyio.CapacityLimiter(1)

    @router.post(IDENTIFY, openapi_extra={"requestBody": _BODY})
    async def identify(request: Request) -> Identified:
        """The language of a text, and how probable it is; up to 64 KiB."""
        text = _text(await _body(request))
        language, probability = await anyio.to_thread.run_sync(odds_of, text, limiter=turn)
        return Identified(language=language, probability=probability)

    app.include_router(router)
    answer_errors(app)


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
        return Sample.model_validate_json(body).text
    except ValidationError as error:
        (first, *_) = error.errors()
        param = str(first["loc"][0]) if first["loc"] else None
        raise BadRequestError(
            f'{param or "the body"}: {first["msg"]}; expected is {{"text": "…"}}',
            param=param,
            reason="bad_value",
        ) from error
