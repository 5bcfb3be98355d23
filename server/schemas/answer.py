"""What all bodies of our endpoints' answers have in common."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from server.schemas.shape import Shape
from server.spelled import spelled


class Answer(Shape):
    """A JSON object of an answer, which UTF-8 can hold whatever it quotes."""

    @field_validator("*", mode="before")
    @classmethod
    def _can_be_sent(cls, value: Any) -> Any:
        return spelled(value)
