"""A profile on offer, and the list of them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from server.schemas.answer import Answer

_EDIT: dict[str, Any] = {
    "neurons": 3,
    "neurons_per_layer": {"11": 1, "12": 2},
    "offset_layers": [],
    "memory_layers": [0, 1],
}
_HASH = "5d0f" * 16


class EditSummary(Answer):
    """What one role changes."""

    neurons: int = Field(description="Edited neurons.")
    neurons_per_layer: dict[str, int] = Field(description="How many, by layer, from 0.")
    offset_layers: list[int] = Field(description="Layers with an offset.")
    memory_layers: list[int] = Field(description="Layers with a memory.")


class ProfileFacts(Answer):
    """What a profile is, whatever is said of its edits."""

    id: str = Field(description="name@version.")
    object: Literal["steering.profile"]
    name: str = Field(description="What clients write in `steering.profile`.")
    version: str = Field(description="The beginning of the content hash.")
    language: str = Field(description="BCP 47 tag.")
    content_hash: str = Field(description="SHA-256 of language, model and edits.")
    model: str = Field(description="The model it was made for, as its maker called it.")
    method: str | None = Field(description="How it was made, where the file says so.")
    created: str = Field(description="When its file was written, ISO 8601.")
    loaded_at: int = Field(description="Seconds since the epoch.")
    pinned: bool = Field(description="Whether it stays as it is until it is unpinned.")
    aliases: list[str] = Field(
        description="Models' names that mean it, with `--model-aliases`: for clients that can "
        "choose nothing else."
    )


class ProfileSummary(ProfileFacts):
    """A profile on offer."""

    edits: dict[Literal["target", "suppress"], EditSummary] = Field(
        description="By role: towards the language, and away from it."
    )

    example: ClassVar[dict[str, Any]] = {
        "id": f"de@{_HASH[:12]}",
        "object": "steering.profile",
        "name": "de",
        "version": _HASH[:12],
        "language": "de",
        "content_hash": _HASH,
        "model": "google/gemma-3-270m",
        "method": "learned",
        "created": "2026-05-04T10:00:00+00:00",
        "loaded_at": 1777888800,
        "pinned": False,
        "aliases": ["demo:de"],
        "edits": {"target": _EDIT, "suppress": _EDIT},
    }


class ProfileList(Answer):
    """Every profile on offer, by name."""

    object: Literal["list"]
    data: list[ProfileSummary]

    example: ClassVar[dict[str, Any]] = {"object": "list", "data": [ProfileSummary.example]}
