"""All that is known of one profile."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from server.schemas.calibrated import CalibratedPoint, RecommendedPoint
from server.schemas.origin import Origin
from server.schemas.profile import EditSummary, ProfileFacts, ProfileSummary

_POINT: dict[str, Any] = {
    "strength": 1.0,
    "phase": "all",
    "success": 0.96,
    "perplexity": 1.07,
    "repetition": 0.0,
    "bits_per_byte": 1.03,
    "samples": 24,
}


class EditDetail(EditSummary):
    """What one role changes, by how much, and what that does."""

    offset_norms: list[float] = Field(description="Of each offset, in the order of the layers.")
    memory_norms: list[float] = Field(description="Of each memory's value.")
    memory_key_norms: list[float] = Field(description="Of each memory's key.")
    memory_biases: list[float] = Field(description="Of each memory.")
    recommended: RecommendedPoint | None = Field(
        description="The point that strength 1 stands for; null where none was calibrated."
    )
    frontier: list[CalibratedPoint] = Field(
        description="Every point that was tried; empty where none was calibrated."
    )


class ProfileDetail(ProfileFacts):
    """A profile on offer, as `langsteer inspect` shows it."""

    edits: dict[Literal["target", "suppress"], EditDetail] = Field(
        description="By role: towards the language, and away from it."
    )
    provenance: Origin = Field(description="Where it came from, as far as the file says.")

    example: ClassVar[dict[str, Any]] = {
        **ProfileSummary.example,
        "edits": {
            "target": {
                **ProfileSummary.example["edits"]["target"],
                "offset_norms": [],
                "memory_norms": [1.928, 0.445],
                "memory_key_norms": [1.33, 1.371],
                "memory_biases": [0.015, -0.039],
                "recommended": {**_POINT, "advised_phase": "all"},
                "frontier": [_POINT],
            }
        },
        "provenance": {
            "corpus": "starter",
            "corpus_sha256": "cb23" * 16,
            "languages": ["de", "en", "ja"],
            "sentences": 260,
            "tokens": 4989,
            "seed": 0,
        },
    }
