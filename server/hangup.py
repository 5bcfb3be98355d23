"""SIGHUP, which has files read again."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterable
from typing import Any

from server.yamlfile.in_force import FileInForce
from server.yamlfile.problem import FileError

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures


class Hangup:
    """Reloads files on SIGHUP. One for all of them: a loop keeps one handler a signal.

    Args:
        files: what is read again, each on its own: a bad one holds up no other.
    """

    def __init__(self, files: Iterable[FileInForce[Any]]) -> None:
        self._files = tuple(files)
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self) -> None:
        """From now on SIGHUP reloads; called within the event loop."""
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hung_up)
        except (RuntimeError, ValueError) as error:
            # Not the main thread, as asyncio and uvloop say it: the endpoints are still there.
            kinds = " and ".join(f"the {file.kind}" for file in self._files)
            logger.warning("SIGHUP will not reload %s: %s", kinds, error)

    def _hung_up(self) -> None:
        for file in self._files:
            task = asyncio.get_running_loop().create_task(_try_reload(file))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _try_reload(file: FileInForce[Any]) -> None:
    try:
        await file.reload()
    except FileError:
        return  # reload has logged and counted it
