"""A text whose language is asked for, and what was found."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from server.schemas.answer import Answer
from server.schemas.shape import Shape


class IdentifyQuestion(Shape):
    """A text whose language is asked for."""

    model_config = ConfigDict(strict=True)

    text: str = Field(description="What to identify; under eight letters nothing can be told.")

    example: ClassVar[dict[str, Any]] = {"text": "Das Fenster in der Küche war noch offen."}


class Identification(Answer):
    """The language that was found."""

    object: Literal["steering.identification"]
    language: str = Field(description='Primary language tag, "und" where it cannot be told.')
    probability: float = Field(
        description="Of that language, from 0 to 1; 0 where it cannot be told."
    )

    example: ClassVar[dict[str, Any]] = {
        "object": "steering.identification",
        "language": "de",
        "probability": 0.998,
    }
