"""The request log: a JSON object a line, for each request that may make text or operates us."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from server.line_file import LineFile
from server.request_record import RequestRecord
from server.worker import Worker


class RequestLog:
    """Writes off the event loop, which a slow disk would hold up.

    Args:
        path: of the file; others may rotate it.
        lost: called for each line that could not be written, or that there was no room for.
        worker: does the writing.
    """

    def __init__(self, path: Path, lost: Callable[[], None], worker: Worker | None = None) -> None:
        self.worker = worker or Worker(name="request log")
        self._file = LineFile(path)
        self._lost = lost

    def note(self, record: RequestRecord) -> None:
        """Have a finished request written, soon."""
        line = json.dumps(record.line())
        if not self.worker.put(partial(self._write, line), len(line)):
            self._lost()

    def _write(self, line: str) -> None:
        if not self._file.append(line):
            self._lost()
