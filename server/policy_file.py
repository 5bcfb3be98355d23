"""The policy's file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from server.catalog import Catalog
from server.policy.book import Book
from server.policy.load import load
from server.policy.sources import detected
from server.yamlfile.in_force import FileInForce, read_file

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures


def read_policy(path: Path, max_strength: float) -> Book:
    """The policy in a file.

    Args:
        path: of the file.
        max_strength: the largest strength the server allows.

    Raises:
        FileError: it cannot be read or used; names the file and every problem.
    """
    book = read_file(path, lambda data: load(data, max_strength))
    if book.identifies:
        detected("The models are loaded now, not with the first request.")
    return book


class PolicyFile(FileInForce[Book]):
    """A policy in force.

    Args:
        path: of the file.
        max_strength: the largest strength the server allows.
        catalog: gives the profiles on offer now.
        counted: told of each reload whether the file could be used.
        no_reasoning: gives why reasoning cannot be steered apart; "" where it can.

    Attributes:
        max_strength, no_reasoning: as given.

    Raises:
        FileError: the file cannot be used.
    """

    kind = "policy"

    def __init__(
        self,
        path: Path,
        max_strength: float,
        catalog: Callable[[], Catalog],
        counted: Callable[[bool], None],
        no_reasoning: Callable[[], str] = str,
    ) -> None:
        self.max_strength = max_strength
        self.no_reasoning = no_reasoning
        self._catalog = catalog
        super().__init__(path, counted)

    @property
    def book(self) -> Book:
        """The policy now; a snapshot."""
        return self.current

    def warnings(self) -> list[str]:
        """What the file allows and probably does not mean, and what this server cannot give."""
        why = self.no_reasoning()
        return [
            *self.book.warnings,
            *self.book.unmet(self._catalog()),
            *(f"{name}: every request is refused, for {why}" for name in self.book.parts if why),
        ]

    def report(self) -> None:
        """Log what is in force, and what may be wrong with it."""
        rules = len(self.book.clauses) - 1
        logger.info("policy %s: %d rules, digest %s", self.path, rules, self.book.digest[:12])
        for warning in self.warnings():
            logger.warning("policy %s: %s", self.path, warning)

    def _read(self) -> Book:
        return read_policy(self.path, self.max_strength)
