"""Profiles that are no longer on offer and leave the engine when no request needs them."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from profiles.errors import LangsteerError
from server.catalog import Entry
from server.control import Control
from server.leases import Leases

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures

_EVERY = 0.2  # seconds between two tries
# Out of the engine; still needed by requests in flight; or put on offer again by a reload.
Fate = Literal["unloaded", "draining", "reloaded"]


class Retired:
    """Unloads profiles in the background, each as soon as it is free.

    Args:
        control: the engine, which knows the requests that it has.
        leases: what requests on their way there need.
        lock: held while the engine's profiles change; `sweep` expects the caller to hold it.
    """

    def __init__(self, control: Control, leases: Leases, lock: asyncio.Lock) -> None:
        self._control = control
        self._leases = leases
        self._lock = lock
        self._entries: dict[str, tuple[Entry, asyncio.Future[Fate]]] = {}
        self._task: asyncio.Task[None] | None = None

    def labels(self) -> tuple[str, ...]:
        """Who still waits, as name@version."""
        return tuple(entry.label for entry, _ in self._entries.values())

    def free(self, entry: Entry) -> bool:
        """Whether no request on its way to the engine names it."""
        return self._leases.free(entry.profile.content_hash)

    def add(self, entry: Entry) -> None:
        """It is to go. It must be off the catalogue, so that no new request names it."""
        content_hash = entry.profile.content_hash
        if content_hash not in self._entries:
            self._entries[content_hash] = entry, asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._go_on())

    def fate(self, entry: Entry) -> asyncio.Future[Fate] | None:
        """What becomes of it; None if it is not to go."""
        _, fate = self._entries.get(entry.profile.content_hash, (None, None))
        return fate

    def keep(self, content_hash: str) -> None:
        """It is not to go after all."""
        self._ended(content_hash, "reloaded")

    async def sweep(self) -> None:
        """Unload what is free now."""
        for content_hash, (entry, _) in [*self._entries.items()]:
            if not self.free(entry):
                continue
            try:
                await self._control.unload(content_hash)
            except LangsteerError as error:
                # The engine's last word: a request that ended here may still be in its batch.
                logger.debug("%s is not unloaded yet: %s", entry.label, error)
                continue
            self._ended(content_hash, "unloaded")
            logger.info("unloaded %s", entry.label)

    def _ended(self, content_hash: str, fate: Fate) -> None:
        if (found := self._entries.pop(content_hash, None)) and not found[1].done():
            found[1].set_result(fate)

    async def _go_on(self) -> None:
        while self._entries:
            await asyncio.sleep(_EVERY)
            async with self._lock:
                try:
                    await self.sweep()
                # The next one to be retired starts this again; a dead engine ends the server.
                except Exception as error:  # noqa: BLE001
                    logger.warning("cannot unload %s: %s", ", ".join(self.labels()), error)
                    return
