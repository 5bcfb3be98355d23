"""Endpoints for operators: which profiles are on offer, load and keep some, look at the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query

from server.aliases import Aliases
from server.answers import answers
from server.catalog import Catalog, Entry
from server.control import Control
from server.errors import (
    BadRequestError,
    EngineUnavailableError,
    ForbiddenError,
    InUseError,
    NotFoundError,
    PinnedError,
    ProfileFileInvalidError,
)
from server.own_route import OwnRoute
from server.registry import Registry
from server.routes import OWN_PATHS
from server.schemas.changes import LoadAnswer, PinAnswer, ReloadAnswer, UnloadAnswer
from server.schemas.profile import ProfileList
from server.schemas.profile_detail import ProfileDetail
from server.schemas.status import EngineStatus
from server.shown_profile import detail, summary

_LONGEST_WAIT = 3600.0
_Name = Annotated[
    str, Path(description="A profile's name, or name@version.", examples=["de"], max_length=200)
]
_FileName = Annotated[
    str,
    Path(
        description="A profile's name: that of its file, without `.safetensors`.",
        examples=["de"],
        max_length=200,
    ),
]
_Wait = Annotated[
    float | None,
    Query(
        ge=0,
        le=_LONGEST_WAIT,
        description="Seconds to wait for requests in flight; without it their use of the profile "
        "is a 409, and nothing changes.",
        examples=[30],
    ),
]

_Offer = Annotated[
    bool,
    Query(
        description="Whether to put it on offer. If not, it is loaded and proven, and the next "
        "load has only to offer it: so that many servers change at once.",
        examples=[True],
    ),
]


def router(
    registry: Callable[[], Registry],
    control: Callable[[], Control],
    aliases: Aliases | None = None,
) -> APIRouter:
    """The endpoints.

    Args:
        registry, control: give what exists only once the engine runs.
        aliases: of the model's names; None where it has none.
    """
    routes = APIRouter(prefix=OWN_PATHS.rstrip("/"), tags=["profiles"], route_class=OwnRoute)

    @routes.get("/profiles", summary="List profiles", responses=answers(ProfileList))
    async def profiles() -> ProfileList:
        """Every profile on offer, by name."""
        known = registry()
        data = [
            summary(entry, pinned=known.pinned(entry), aliases=_aliases(entry))
            for entry in known.catalog
        ]
        return ProfileList(object="list", data=data)

    @routes.get(
        "/profiles/{name}",
        summary="Inspect a profile",
        responses=answers(ProfileDetail, BadRequestError, NotFoundError),
    )
    async def profile(name: _Name) -> ProfileDetail:
        """One profile on offer: what it edits, what its calibration found, where it came from."""
        entry = _find(registry().catalog, name)
        return detail(entry, pinned=registry().pinned(entry), aliases=_aliases(entry))

    @routes.post(
        "/profiles/reload",
        summary="Reload the folder",
        responses=answers(ReloadAnswer, ForbiddenError, EngineUnavailableError),
    )
    async def reload() -> ReloadAnswer:
        """Read the folder again, file by file.

        What cannot be loaded is listed, and what is served by its name stays. Pinned profiles stay
        as they are.
        """
        report = await registry().reload()
        return ReloadAnswer.model_validate({"object": "steering.reload", **asdict(report)})

    @routes.post(
        "/profiles/{name}/load",
        summary="Load one profile",
        responses=answers(
            LoadAnswer,
            BadRequestError,
            ForbiddenError,
            NotFoundError,
            PinnedError,
            ProfileFileInvalidError,
            EngineUnavailableError,
        ),
    )
    async def load(name: _FileName, offer: _Offer = True) -> LoadAnswer:
        """Read one file of the folder, new or changed, and put it on offer; no other changes."""
        entry, state = await registry().load(name, offer=offer)
        return LoadAnswer(object="steering.load", id=entry.label, state=state)

    @routes.post(
        "/profiles/{name}/unload",
        summary="Unload a profile",
        responses=answers(
            UnloadAnswer,
            BadRequestError,
            ForbiddenError,
            NotFoundError,
            InUseError,
            PinnedError,
            EngineUnavailableError,
        ),
    )
    async def unload(name: _Name, wait: _Wait = None) -> UnloadAnswer:
        """Take a profile off the offer and out of the engine; its file stays."""
        entry = _find(registry().catalog, name)
        state = await registry().unload(entry, wait=wait)
        return UnloadAnswer(object="steering.unload", id=entry.label, state=state)

    @routes.post(
        "/profiles/{name}/pin",
        summary="Pin a profile",
        responses=answers(PinAnswer, BadRequestError, ForbiddenError, NotFoundError),
    )
    async def pin(name: _Name) -> PinAnswer:
        """Keep a profile as it is, whatever becomes of its file, until it is unpinned.

        Pins last as long as the server: it starts with none.
        """
        return await _pin(name, on=True)

    @routes.post(
        "/profiles/{name}/unpin",
        summary="Unpin a profile",
        responses=answers(PinAnswer, BadRequestError, ForbiddenError, NotFoundError),
    )
    async def unpin(name: _Name) -> PinAnswer:
        """Let reloads and unloading at a profile again; by itself this changes nothing else."""
        return await _pin(name, on=False)

    @routes.get(
        "/status",
        summary="Look at the engine",
        responses=answers(EngineStatus, ForbiddenError, EngineUnavailableError),
    )
    async def status() -> EngineStatus:
        """The engine's own figures."""
        facts = await control().facts()
        return EngineStatus(
            object="steering.status",
            engines=facts.engines,
            workers=facts.workers,
            profiles_offered=len(registry().catalog),
            profiles_in_engine=[*facts.profiles],
            profiles_staged=[*registry().staged],
            profiles_draining=[*registry().draining],
            rows=facts.rows,
            rows_in_use=facts.rows_in_use,
            edited_tokens=facts.edited_tokens,
            columns=[*facts.columns],
            columns_taken=[*facts.columns_taken],
            memories=facts.memories,
            memories_taken=facts.memories_taken,
            no_reasoning=facts.no_reasoning or None,
        )

    def _aliases(entry: Entry) -> list[str]:
        return aliases.of(entry) if aliases is not None else []

    async def _pin(name: str, *, on: bool) -> PinAnswer:
        entry = _find(registry().catalog, name)
        await registry().pin(entry, on=on)
        return PinAnswer(object="steering.pin", id=entry.label, pinned=on)

    return routes


def _find(catalog: Catalog, name: str) -> Entry:
    entry = catalog.get(name.partition("@")[0])
    if entry is None or name not in {entry.name, entry.label}:
        raise NotFoundError(
            f"no profile {name[:60]!r} is loaded; available are {catalog.names()}",
            param="name",
            reason="unknown_profile",
        )
    return entry
