"""The engine's own figures."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from server.schemas.answer import Answer


class EngineStatus(Answer):
    """Figures of the engine, all workers in agreement."""

    object: Literal["steering.status"]
    engines: int
    workers: int
    profiles_offered: int
    profiles_in_engine: list[str] = Field(description="Content hashes.")
    profiles_staged: list[str] = Field(
        description="As name@version: loaded and proven, on offer when they are loaded again."
    )
    profiles_draining: list[str] = Field(description="As name@version.")
    rows: int = Field(description="Combinations that fit the tables.")
    rows_in_use: int = Field(description="Combinations held by requests in flight.")
    edited_tokens: int = Field(description="Tokens computed with an edit.")
    columns: list[int] = Field(description="Room for edited neurons, by layer.")
    columns_taken: list[int] = Field(description="Of it taken.")
    memories: int = Field(description="Room for memories.")
    memories_taken: int = Field(description="Of it taken.")
    no_reasoning: str | None = Field(
        description="Why `steering.reasoning` is refused; null where it is not."
    )

    example: ClassVar[dict[str, Any]] = {
        "object": "steering.status",
        "engines": 1,
        "workers": 2,
        "profiles_offered": 1,
        "profiles_in_engine": ["5d0f" * 16],
        "profiles_staged": [],
        "profiles_draining": [],
        "rows": 257,
        "rows_in_use": 3,
        "edited_tokens": 12345,
        "columns": [64, 64],
        "columns_taken": [3, 0],
        "memories": 32,
        "memories_taken": 2,
        "no_reasoning": None,
    }
