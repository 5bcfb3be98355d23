"""The request log: a JSON object a line, for each request that may make text or operates us."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from server.line_file import LineFile
from server.request_record import RequestRecord
from server.worker import Worker


class RequestLog:
    """Writes off the event loop, which a slow disk would hold up.

    Args:
        path: of the file; others may rotate it.
        worker: does the writing.
    """

    def __init__(self, path: Path, worker: Worker | None = None) -> None:
        self.worker = worker or Worker(name="request log")
        self._file = LineFile(path)

    def note(self, record: RequestRecord) -> bool:
        """Have a finished request written; False where too many wait already."""
        line = json.dumps(record.line())
        return self.worker.put(partial(self._file.append, line), len(line))
