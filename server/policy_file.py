"""The policy's file: read at start-up, read again on request, and what was good is kept."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path

from server.catalog import Catalog
from server.policy.book import Book
from server.policy.load import load
from server.policy.problem import PolicyFileError, Problem
from server.policy.sources import detected
from server.policy.yaml_text import MAX_BYTES

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures


def read_policy(path: Path, max_strength: float) -> Book:
    """The policy in a file.

    Args:
        path: of the file.
        max_strength: the largest strength the server allows.

    Raises:
        PolicyFileError: it cannot be read or used; names every problem.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        text = f"cannot read {path}: {error.strerror or error}"
        raise PolicyFileError([Problem(place="", line=0, text=text)]) from error
    book = load(data, max_strength)
    if book.identifies:
        detected("The models are loaded now, not with the first request.")
    return book


class PolicyFile:
    """A policy in force, which a reload replaces whole or leaves alone.

    Args:
        path: of the file.
        max_strength: the largest strength the server allows.
        catalog: gives the profiles on offer now.
        counted: told of each reload whether the file could be used.

    Raises:
        PolicyFileError: the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        max_strength: float,
        catalog: Callable[[], Catalog],
        counted: Callable[[bool], None],
    ) -> None:
        self.path = path
        self.max_strength = max_strength
        self._catalog = catalog
        self._counted = counted
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._set(read_policy(path, max_strength))

    @property
    def book(self) -> Book:
        """The policy now; a snapshot."""
        return self._book

    @property
    def loaded_at(self) -> int:
        """Seconds since the epoch, when it was read."""
        return self._loaded_at

    def warnings(self) -> list[str]:
        """What the file allows and probably does not mean, and what no profile can give."""
        return [*self._book.warnings, *self._book.unmet(self._catalog())]

    async def reload(self) -> None:
        """Read the file again.

        Raises:
            PolicyFileError: it cannot be used; the policy stays as it was.
        """
        async with self._lock:
            try:
                book = await asyncio.to_thread(read_policy, self.path, self.max_strength)
            except PolicyFileError as error:
                self._counted(False)
                logger.error("%s is not used, the policy stays as it was:\n%s", self.path, error)
                raise
            self._set(book)
            self._counted(True)
            self.report()

    def report(self) -> None:
        """Log what is in force, and what may be wrong with it."""
        rules = len(self._book.clauses) - 1
        logger.info("policy %s: %d rules, digest %s", self.path, rules, self._book.digest[:12])
        for warning in self.warnings():
            logger.warning("policy %s: %s", self.path, warning)

    def reload_on_hangup(self) -> None:
        """From now on SIGHUP reloads; called within the event loop."""
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hung_up)
        except (RuntimeError, ValueError) as error:
            # Not the main thread, as asyncio and uvloop say it: the endpoint is still there.
            logger.warning("SIGHUP will not reload the policy: %s", error)

    def _hung_up(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._try_reload())

    async def _try_reload(self) -> None:
        try:
            await self.reload()
        except PolicyFileError:
            return  # reload has logged and counted it

    def _set(self, book: Book) -> None:
        self._book, self._loaded_at = book, int(time.time())
