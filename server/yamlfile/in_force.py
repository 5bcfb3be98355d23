"""A file that is in force: read at start-up, read again on request, and what was good is kept."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from server.yamlfile.problem import FileError, Problem
from server.yamlfile.text import MAX_BYTES

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures

T = TypeVar("T")


def read_file(path: Path, load: Callable[[bytes], T]) -> T:
    """What a file says.

    Args:
        path: of the file.
        load: makes it of the file's bytes, of which it gets one too many where there are more than
            are allowed; raises FileError.

    Raises:
        FileError: it cannot be read or used; names the file and every problem.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        text = f"cannot read it: {error.strerror or error}"
        raise FileError([Problem(place="", line=0, text=text)], path) from error
    try:
        return load(data)
    except FileError as error:
        # Whoever has two such files is to see which it is.
        raise FileError(error.problems, path) from error


class FileInForce(ABC, Generic[T]):
    """What a file says, which a reload replaces whole or leaves alone.

    Args:
        path: of the file.
        counted: told of each reload whether the file could be used.

    Attributes:
        kind: what it is, for messages.

    Raises:
        FileError: the file cannot be used.
    """

    kind: ClassVar[str]

    def __init__(self, path: Path, counted: Callable[[bool], None]) -> None:
        self.path = path
        self._counted = counted
        self._lock = asyncio.Lock()
        self._set(self._read())

    @property
    def current(self) -> T:
        """What the file says now; a snapshot."""
        return self._current

    @property
    def loaded_at(self) -> int:
        """Seconds since the epoch, when it was read."""
        return self._loaded_at

    async def reload(self) -> None:
        """Read the file again.

        Raises:
            FileError: it cannot be used; what is in force stays as it was.
        """
        async with self._lock:
            try:
                found = await asyncio.to_thread(self._read)
            except FileError as error:
                self._counted(False)
                logger.error(
                    "the %s stays as it was, its file cannot be used:\n%s", self.kind, error
                )
                raise
            self._set(found)
            self._counted(True)
            self.report()

    @abstractmethod
    def report(self) -> None:
        """Log what is in force, and what may be wrong with it."""

    @abstractmethod
    def _read(self) -> T:
        """What the file says; FileError where it cannot be used. Called in other threads too."""

    def _set(self, found: T) -> None:
        self._current, self._loaded_at = found, int(time.time())
