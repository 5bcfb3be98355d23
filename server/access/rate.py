"""How many requests a client has begun within a minute."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from server.access.client import Client
from server.errors import RateLimitError
from server.exchange import RawHeader

# Seconds between two looks for counters that are over. They are not counted meanwhile either.
_CLEARING = 10.0


class _Storage(MemoryStorage):
    """Clears up now and then, where the library does so at each request: with twenty thousand
    addresses that takes milliseconds.
    """

    _due = 0.0

    async def _MemoryStorage__schedule_expiry(self) -> None:  # noqa: N802 - the library's own name
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _CLEARING
            await super()._MemoryStorage__schedule_expiry()  # type: ignore[misc]


class Rate:
    """Counts requests in a sliding minute.

    By two counters a client, this minute's and the last one's, of which as much counts as the
    sliding minute still covers. The library's exact window remembers the time of every request,
    and has threads clear all of them up at each.
    """

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(_Storage())

    async def hit(self, client: Client) -> tuple[RawHeader, ...]:
        """Count one more; the headers that tell the client what is left.

        Raises:
            RateLimitError: it would be one too many; it is not counted.
        """
        most = client.limits.requests_per_minute
        if most is None:
            return ()
        limit = RateLimitItemPerMinute(most)
        allowed = await self._limiter.hit(limit, client.name)
        reset, left = await self._limiter.get_window_stats(limit, client.name)
        told = {
            "x-ratelimit-limit-requests": str(most),
            "x-ratelimit-remaining-requests": str(left if allowed else 0),
        }
        if not allowed:
            # Of whole seconds the first after it: at that very instant it is still one too many.
            wait = max(0, math.floor(reset - time.time())) + 1
            raise RateLimitError(
                f"more than {most} requests within a minute: try again in {wait} s",
                reason="rate_limit",
                headers={**told, "retry-after": str(wait)},
            )
        return tuple((name.encode(), value.encode()) for name, value in told.items())
