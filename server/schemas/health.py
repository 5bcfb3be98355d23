"""Answers to probes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from server.schemas.answer import Answer


class Liveness(Answer):
    """The process answers."""

    status: Literal["alive"]

    example: ClassVar[dict[str, Any]] = {"status": "alive"}


class Readiness(Answer):
    """Whether steered requests can be served."""

    status: Literal["ready", "not ready"]
    reasons: list[Literal["no profile is on offer", "the engine does not answer"]] = Field(
        description="Why not; empty where it is ready."
    )

    example: ClassVar[dict[str, Any]] = {"status": "ready", "reasons": []}
