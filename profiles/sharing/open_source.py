"""The source that an address means."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from profiles.progress import Stage
from profiles.ready.folder import profile_folder
from profiles.sharing.address import FolderAddress, HubAddress, parse_address
from profiles.sharing.cache import Cache
from profiles.sharing.cached_source import CachedSource
from profiles.sharing.fetcher import Fetcher
from profiles.sharing.folder_source import FolderSource
from profiles.sharing.hub_client import hub_client
from profiles.sharing.hub_place import HubPlace
from profiles.sharing.place import Place
from profiles.sharing.source import Source
from profiles.sharing.web_place import WebPlace

_YES = ("1", "on", "yes", "true")


@contextmanager
def open_source(
    text: str, *, offline: bool, allowed: Collection[str], stage: Stage
) -> Iterator[Source]:
    """The source at an address, while the context lasts.

    Args:
        text: as typed; "ready" is the ready-made profiles.
        offline: use what was fetched before, and nothing else.
        allowed: hosts that a web server may redirect to.
        stage: shows the progress of a file.

    Raises:
        SharingError: it is no address.
    """
    address = parse_address(text)
    if isinstance(address, FolderAddress):
        yield FolderSource(profile_folder(Path(text)) if text == "ready" else address.path)
        return
    hub = isinstance(address, HubAddress)
    offline |= hub and os.environ.get("HF_HUB_OFFLINE", "").lower() in _YES
    with ExitStack() as stack:
        fetcher = None if offline else stack.enter_context(Fetcher(allowed))
        place: Place
        if isinstance(address, HubAddress):
            place = HubPlace(address, hub_client())
        else:
            place = WebPlace(address, fetcher)
        yield CachedSource(place, Cache(), fetcher, stage)
