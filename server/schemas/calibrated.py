"""Points of a frontier, as profile files keep them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, FiniteFloat

from server.schemas.answer import Answer


class CalibratedPoint(Answer):
    """One strength and what it does."""

    strength: FiniteFloat = Field(description="In units of the recommended one.")
    phase: Literal["all", "decode"]
    success: FiniteFloat = Field(description="Share of outputs in the right language.")
    perplexity: FiniteFloat = Field(
        description="The price: of the model's own text under the edit, over that without."
    )
    repetition: FiniteFloat = Field(description="Share of outputs that repeat themselves.")
    bits_per_byte: FiniteFloat | None = Field(
        default=None, description="Of the outputs, over that of natural text."
    )
    samples: int | None = Field(default=None, description="Outputs judged.")


class RecommendedPoint(CalibratedPoint):
    """The point that strength 1 stands for."""

    advised_phase: Literal["all", "decode"] = Field(description="The phase that is best asked for.")
