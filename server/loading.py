"""One profile file, into the engine."""

from __future__ import annotations

import time

from profiles.errors import ProfileError
from server.catalog import Entry
from server.control import Control
from server.scan import ProfileFile


async def load_file(file: ProfileFile, control: Control) -> Entry:
    """Load a file into every worker; its effect is not proven yet.

    Raises:
        ProfileError: workers have read something else than this process has.
        EngineError: there is no room, or the engine does not answer.
    """
    found = await control.load(file.data)
    if found != file.profile.content_hash:
        raise ProfileError(
            f"{file.name}: workers loaded {found[:12]}, the file is {file.profile.version}"
        )
    return Entry(
        name=file.name,
        profile=file.profile,
        created=file.created,
        loaded_at=int(time.time()),
    )
