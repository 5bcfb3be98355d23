"""Which cores the processes of a soak may use."""

from __future__ import annotations

import os
from collections.abc import Iterable

import psutil

from tests.soak.supervisor import role


def apart(processes: Iterable[psutil.Process]) -> None:
    """Give the API server the last core for itself; engine, worker and clients share the others.

    Args:
        processes: the server and what it started.

    Raises:
        RuntimeError: there is only one core.
    """
    *others, own = range(psutil.cpu_count() or 1)
    if not others:
        raise RuntimeError("a core of its own for the server needs two, found one")
    _pin(psutil.Process(), others)
    for process in processes:
        try:
            _pin(process, [own] if role(process) == "server" else others)
        except psutil.Error:
            continue


def _pin(process: psutil.Process, cores: list[int]) -> None:
    # Each thread has its own.
    for thread in process.threads():
        try:
            os.sched_setaffinity(thread.id, cores)
        except ProcessLookupError:
            continue
