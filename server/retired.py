"""Profiles that are no longer on offer and leave the engine when no request needs them."""

from __future__ import annotations

import asyncio
import logging
import time

from profiles.errors import LangsteerError
from server.catalog import Entry
from server.control import Control
from server.leases import Leases

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures

_EVERY = 0.2  # seconds between looks at who still runs


class Retired:
    """Unloads profiles in the background, each as soon as it is free.

    Args:
        control: the engine.
        leases: what requests in flight need.
        lock: held while the engine's profiles change; `sweep` expects the caller to hold it.
    """

    def __init__(self, control: Control, leases: Leases, lock: asyncio.Lock) -> None:
        self._control = control
        self._leases = leases
        self._lock = lock
        self._entries: dict[str, Entry] = {}
        self._task: asyncio.Task[None] | None = None

    def labels(self) -> tuple[str, ...]:
        """Who still waits, as name@version."""
        return tuple(entry.label for entry in self._entries.values())

    def free(self, entry: Entry) -> bool:
        """Whether no request in flight names it."""
        return self._leases.free(entry.profile.content_hash)

    def add(self, entry: Entry) -> None:
        """It is to go. It must be off the catalogue, so that no new request names it."""
        self._entries[entry.profile.content_hash] = entry
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._go_on())

    def keep(self, content_hash: str) -> None:
        """It is not to go after all."""
        self._entries.pop(content_hash, None)

    async def sweep(self) -> None:
        """Unload what is free now."""
        for content_hash, entry in [*self._entries.items()]:
            if not self.free(entry):
                continue
            try:
                await self._control.unload(content_hash)
            except LangsteerError as error:
                # The engine's last word: a request that ended here is still in its batch.
                logger.debug("%s is not unloaded yet: %s", entry.label, error)
                continue
            self._entries.pop(content_hash, None)
            logger.info("unloaded %s", entry.label)

    async def gone(self, entry: Entry, wait: float) -> bool:
        """Whether it is unloaded, after at most `wait` seconds."""
        until = time.monotonic() + wait
        while entry.profile.content_hash in self._entries:
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(_EVERY / 4)
        return True

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
