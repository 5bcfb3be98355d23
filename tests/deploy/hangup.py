"""Processes that a hangup ends, also where whoever started the tests ignores it (`nohup`)."""

from __future__ import annotations

import signal


def heeded() -> None:
    """For `preexec_fn`: what is ignored stays ignored over exec, and no shell can trap it."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
