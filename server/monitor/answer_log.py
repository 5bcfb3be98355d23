"""The log of answers: a sample of them, a JSON object a line."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from server.line_file import LineFile
from server.monitor.redact import redacted
from server.monitor.watch import Seen

LogText = Literal["none", "redacted", "full"]
_KEEPS = 2000


class AnswerLog:
    """Appends to a file that others may rotate (`LineFile`); for one thread.

    Args:
        path: of the file.
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
        self._file = LineFile(path)
        self._sample = sample
        self._sample_miss = sample_miss
        self._text = text
        self._chance = chance

    @property
    def keeps(self) -> int:
        """Characters of a text's beginning, and of its end, that a line may hold."""
        return _KEEPS if self._text != "none" else 0

    def note(self, seen: Seen) -> None:
        """Log an answer, if chance has it."""
        share = self._sample_miss if seen.finding.verdict == "miss" else self._sample
        if self._chance() < share:
            self._file.append(json.dumps(self._line(seen)))

    def close(self) -> None:
        """Let the file go; the next line opens it again."""
        self._file.close()

    def _line(self, seen: Seen) -> dict[str, Any]:
        subject, finding = seen.subject, seen.finding
        promise = subject.promised(seen.part)
        line: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": seen.request_id,
            "route": subject.route,
            "policy": subject.policy,
            "tenant": subject.tenant,
            "choice": seen.choice,
            "part": seen.part,
            "stream": seen.stream,
            "wanted": promise.wanted,
            "unwanted": list(promise.unwanted),
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
