"""Consideration for the event loop, which needs the interpreter's lock that threads hold."""

from __future__ import annotations

import time

_NAP = 1e-4  # seconds; a thread that only offers the lock mostly gets it back itself


def pause() -> None:
    """Give the lock up for a moment; between steps of a few tenths of a millisecond."""
    time.sleep(_NAP)
