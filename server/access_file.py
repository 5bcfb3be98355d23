"""The access file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from server.access.load import load
from server.access.rules import Rules
from server.yamlfile.in_force import FileInForce, read_file
from server.yamlfile.problem import FileError, Problem

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures

_TURNED = (
    "the server was started {} keys, and a reload does not change that: restart it if you mean it"
)


def read_access(path: Path) -> Rules:
    """The rules in a file.

    Args:
        path: of the file.

    Raises:
        FileError: it cannot be read or used; names the file and every problem.
    """
    return read_file(path, load)


class AccessFile(FileInForce[Rules]):
    """The rules of access in force.

    Args:
        path: of the file.
        counted: told of each reload whether the file could be used.

    Raises:
        FileError: the file cannot be used.
    """

    kind = "access file"

    def __init__(self, path: Path, counted: Callable[[bool], None]) -> None:
        self._keyed: bool | None = None
        super().__init__(path, counted)
        self._keyed = self.rules.keyed

    @property
    def rules(self) -> Rules:
        """The rules now; a snapshot."""
        return self.current

    def report(self) -> None:
        """Log what is in force, and what may be wrong with it."""
        keys = len(self.rules.clients)
        logger.info("access %s: %d clients, digest %s", self.path, keys, self.rules.digest[:12])
        for warning in self.rules.warnings:
            logger.warning("access %s: %s", self.path, warning)

    def _read(self) -> Rules:
        found = read_access(self.path)
        # A file that lost its keys would open the server; one that gained them may meet vLLM's.
        if self._keyed is not None and found.keyed != self._keyed:
            text = _TURNED.format("with" if self._keyed else "without")
            raise FileError([Problem(place="keys", line=0, text=text)], self.path)
        return found
