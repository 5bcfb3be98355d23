"""The field that clients steer by."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from server.schemas.shape import Shape
from steering.request import MAX_STRENGTH, MAX_SUPPRESS, Phase

Tag = Annotated[str, Field(max_length=35)]
Strength = Annotated[float, Field(gt=0, le=MAX_STRENGTH)]


class Steering(Shape):
    """What a request wants of its answer's language; null is as good as left out.

    It has to name a target, a profile, or something to suppress.
    """

    target: Tag | None = Field(default=None, description="BCP 47 tag to answer in.")
    suppress: (
        Annotated[list[Tag], Field(max_length=MAX_SUPPRESS)]
        | Annotated[dict[Tag, Strength | None], Field(max_length=MAX_SUPPRESS)]
        | None
    ) = Field(
        default=None,
        description="Languages to steer away from: a list, or strengths by language; null is "
        "`strength`.",
    )
    strength: Strength | None = Field(
        default=None,
        description="Factor on the profile's own; default 1. A server may allow less "
        "(`--max-strength`).",
    )
    phase: Phase | None = Field(
        default=None, description="`all`, the default, or `decode` to leave the prompt alone."
    )
    profile: str | None = Field(
        default=None, description='A profile by name or "name@version", instead of a language.'
    )

    example: ClassVar[dict[str, Any]] = {"target": "de", "suppress": {"zh": 0.5}, "strength": 1.5}


class SteeredRequest(Shape):
    """Beside the fields of vLLM's own request."""

    model_config = ConfigDict(extra="ignore")

    steering: Steering | None = Field(
        default=None, description="How to steer the answer; without it, it is unsteered."
    )
