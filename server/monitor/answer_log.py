"""The log of answers: a sample of them, a JSON object a line."""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

from server.monitor.redact import redacted
from server.monitor.watch import Seen

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures

LogText = Literal["none", "redacted", "full"]
_KEEPS = 2000


class AnswerLog:
    """Appends to a file that others may rotate; for one thread.

    A file that cannot be written is told of once and tried again with the next line; serving goes
    on.

    Args:
        path: of the file; made readable by its owner only.
        sample: share of the answers that are logged, 0 to 1.
        sample_miss: that of the misses.
        text: whether the answers' text is logged, and how.
        chance: gives a number from 0 up to 1.
    """

    def __init__(
        self,
        path: Path,
        *,
        sample: float,
        sample_miss: float,
        text: LogText,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._path = path
        self._sample = sample
        self._sample_miss = sample_miss
        self._text = text
        self._chance = chance
        self._file: TextIO | None = None
        self._failing = False

    @property
    def keeps(self) -> int:
        """Characters of a text's beginning, and of its end, that a line may hold."""
        return _KEEPS if self._text != "none" else 0

    def note(self, seen: Seen) -> None:
        """Log an answer, if chance has it."""
        share = self._sample_miss if seen.finding.verdict == "miss" else self._sample
        if self._chance() < share:
            self._write(json.dumps(self._line(seen)) + "\n")

    def close(self) -> None:
        """Let the file go; the next line opens it again."""
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError:
                return  # what could not be written is lost either way

    def _line(self, seen: Seen) -> dict[str, Any]:
        subject, finding = seen.subject, seen.finding
        line: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": seen.request_id,
            "route": subject.route,
            "policy": subject.policy,
            "tenant": subject.tenant,
            "choice": seen.choice,
            "part": seen.part,
            "stream": seen.stream,
            "wanted": subject.promise.wanted,
            "unwanted": list(subject.promise.unwanted),
            "found": finding.found,
            "verdict": finding.verdict,
            "shares": {name: round(share, 3) for name, share in finding.shares.items()},
            "steering": subject.steering,
            "strength": subject.strength,
            "phase": subject.phase,
            "characters": seen.characters,
        }
        if self._text != "none":
            line["text"] = redacted(seen.kept) if self._text == "redacted" else seen.kept
        return line

    def _write(self, line: str) -> None:
        try:
            file = self._current()
            file.write(line)
            file.flush()
            self._failing = False
        except OSError as error:
            if not self._failing:
                logger.error("cannot write %s: %s", self._path, error.strerror or error)
            self._failing = True
            self.close()

    def _current(self) -> TextIO:
        """The file that has the name now: one that was moved away gets nothing more."""
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
