"""What an operation on profiles did."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from server.registry import Loaded
from server.retired import Fate
from server.schemas.answer import Answer
from server.schemas.profile import ProfileSummary

_ID: str = ProfileSummary.example["id"]


class RefusedFile(Answer):
    """A file that was not taken."""

    file: str = Field(description="Its name in the folder.")
    reason: str = Field(description="What is wrong with it, or why the engine does not take it.")


class ReloadAnswer(Answer):
    """What became of each file; profiles as name@version."""

    object: Literal["steering.reload"]
    loaded: list[str] = Field(description="New on offer, or in the place of another version.")
    unchanged: list[str] = Field(description="On offer as before.")
    removed: list[str] = Field(description="Off the offer: their files are gone.")
    refused: list[RefusedFile]
    pinned: list[str] = Field(
        description="Of `unchanged`: would have been replaced or removed, were they not pinned."
    )
    draining: list[str] = Field(description="Off the offer, in use by requests in flight.")

    example: ClassVar[dict[str, Any]] = {
        "object": "steering.reload",
        "loaded": [_ID],
        "unchanged": ["ja@1a2b3c4d5e6f"],
        "removed": [],
        "refused": [{"file": "fr.safetensors", "reason": "fr.safetensors: truncated"}],
        "pinned": [],
        "draining": ["de@0123456789ab"],
    }


class LoadAnswer(Answer):
    """What is on offer by the name now, or staged for it."""

    object: Literal["steering.load"]
    id: str = Field(description="name@version.")
    state: Loaded = Field(
        description="`loaded`: new on offer; `replaced`: in the place of another version; "
        "`unchanged`: on offer already; `staged`: loaded and proven, not on offer yet."
    )

    example: ClassVar[dict[str, Any]] = {"object": "steering.load", "id": _ID, "state": "loaded"}


class UnloadAnswer(Answer):
    """What became of the profile; its file stays."""

    object: Literal["steering.unload"]
    id: str = Field(description="name@version.")
    state: Fate = Field(
        description="`unloaded`: out of the engine; `draining`: off the offer, in use by requests "
        "in flight; `reloaded`: put on offer again meanwhile."
    )

    example: ClassVar[dict[str, Any]] = {
        "object": "steering.unload",
        "id": _ID,
        "state": "unloaded",
    }


class PinAnswer(Answer):
    """Whether the profile is pinned now."""

    object: Literal["steering.pin"]
    id: str = Field(description="name@version.")
    pinned: bool

    example: ClassVar[dict[str, Any]] = {"object": "steering.pin", "id": _ID, "pinned": True}
