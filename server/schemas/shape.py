"""What all bodies of our endpoints have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """A JSON object with the fields it names and no others.

    Attributes:
        example: one such object, shown in the reference; where it is a body by itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    example: ClassVar[dict[str, Any]] = {}
