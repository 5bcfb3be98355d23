"""How long a request is kept from the application."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send


def timed(app: ASGIApp, note: Callable[[float], None]) -> ASGIApp:
    """The application; when it is first called, `note` gets the seconds from now till then."""
    waiting = [time.perf_counter()]

    async def first(scope: Scope, receive: Receive, send: Send) -> None:
        if waiting:
            note(time.perf_counter() - waiting.pop())
        await app(scope, receive, send)

    return first
