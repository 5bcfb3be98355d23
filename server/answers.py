"""The responses of an endpoint, for OpenAPI."""

from __future__ import annotations

from typing import Any

from server.errors import ApiError
from server.schemas.error import ErrorBody
from server.schemas.shape import Shape


def answers(good: type[Shape], *errors: type[ApiError]) -> dict[int | str, dict[str, Any]]:
    """FastAPI's `responses`: an example of the good answer, and each error with one.

    Args:
        good: what is answered with 200.
        errors: what else may happen; several may have one status.
    """
    out: dict[int | str, dict[str, Any]] = {200: {"content": _json(example=good.example)}}
    for error in errors:
        says = (error.__doc__ or "").strip()
        place = out.setdefault(
            error.status, {"model": ErrorBody, "description": says, "content": _json(examples={})}
        )
        if place["description"] != says:
            place["description"] += f" {says}"
        example = error(says, reason="bad_value").to_body()
        place["content"]["application/json"]["examples"][error.__name__] = {"value": example}
    return out


def _json(**more: Any) -> dict[str, Any]:
    return {"application/json": more}
