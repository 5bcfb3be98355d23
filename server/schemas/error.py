"""An error's body."""

from __future__ import annotations

from pydantic import Field

from server.schemas.answer import Answer


class ErrorFacts(Answer):
    """What went wrong."""

    message: str = Field(description="For a person to read.")
    type: str = Field(description="The class of the error, as vLLM names it.")
    param: str | None = Field(description="The field, header or argument at fault.")
    code: int = Field(description="The HTTP status.")


class ErrorBody(Answer):
    """An error in the form that OpenAI and vLLM give it."""

    error: ErrorFacts
