"""The field that clients steer by."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from server.schemas.shape import Shape
from steering.request import MAX_STRENGTH, MAX_SUPPRESS, Phase

Tag = Annotated[str, Field(max_length=35)]
Strength = Annotated[float, Field(gt=0, le=MAX_STRENGTH)]


class _Edit(Shape):
    """What is steered by, of the answer or of the reasoning."""

    target: Tag | None = Field(default=None, description="BCP 47 tag to steer towards.")
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
    profile: str | None = Field(
        default=None, description='A profile by name or "name@version", instead of a language.'
    )


class SteeredReasoning(_Edit):
    """How the reasoning is steered, where that is not as the answer."""


class Steering(_Edit):
    """What a request wants of its answer's language; null is as good as left out.

    It has to name a target, a profile, or something to suppress, for the answer or the reasoning.
    """

    strength: Strength | None = Field(
        default=None,
        description="Factor on the profile's own; default 1. A server may allow less "
        "(`--max-strength`). Of the answer: where the reasoning alone is steered it is refused.",
    )
    phase: Phase | None = Field(
        default=None, description="`all`, the default, or `decode` to leave the prompt alone."
    )
    reasoning: Literal["answer", "off"] | SteeredReasoning | None = Field(
        default=None,
        description="The reasoning of a model that reasons first: `answer`, the default, steers it "
        "as the answer, `off` leaves it alone, and an object steers it by that instead. With the "
        "last two the phase is `decode`.",
    )

    example: ClassVar[dict[str, Any]] = {"target": "de", "suppress": {"zh": 0.5}, "strength": 1.5}


class SteeredRequest(Shape):
    """Beside the fields of vLLM's own request."""

    model_config = ConfigDict(extra="ignore")

    steering: Steering | None = Field(
        default=None, description="How to steer the answer; without it, it is unsteered."
    )
