"""A file that lines are appended to, and that others may rotate."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TextIO

from profiles.errors import LangsteerError

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures


class LogFileError(LangsteerError):
    """A log cannot be written."""


class LineFile:
    """Appends lines to a file; for one thread.

    A file that cannot be written is told of once and tried again with the next line; serving goes
    on. One that was moved away gets nothing more: the next line begins it anew.

    Args:
        path: of the file; made readable by its owner only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._failing = False

    def check(self) -> None:
        """Make sure that it can be written, which makes it.

        Raises:
            LogFileError: it cannot.
        """
        try:
            self._current()
        except OSError as error:
            raise LogFileError(
                f"cannot write the log file {self._path}: {error.strerror or error}"
            ) from error

    def append(self, line: str) -> bool:
        """Write a line, which has no line break, for all to see at once; False if it is lost."""
        try:
            file = self._current()
            file.write(line + "\n")
            file.flush()
            self._failing = False
            return True
        except OSError as error:
            if not self._failing:
                logger.error("cannot write %s: %s", self._path, error.strerror or error)
            self._failing = True
            self.close()
            return False

    def close(self) -> None:
        """Let the file go; the next line opens it again."""
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError:
                return  # what could not be written is lost either way

    def _current(self) -> TextIO:
        if self._file is not None:
            try:
                moved = not os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
            except FileNotFoundError:
                moved = True
            if moved:
                self.close()
        if self._file is None:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._file = os.fdopen(handle, "a", encoding="utf-8")
        return self._file
