"""How many requests are in flight."""

from __future__ import annotations

from collections import Counter

from server.access.client import Client
from server.errors import RateLimitError, ServerFullError

# Nobody knows when an answer ends; soon enough to be of use, and no storm.
_AGAIN = {"retry-after": "1"}


class Occupancy:
    """Counts requests from their beginning to their end, each client's and all together.

    They are counted without a limit too: one that a reload brings finds those under way.
    """

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()
        self.total = 0

    def of(self, client: Client) -> int:
        """How many a client has."""
        return self._of[client.name]

    def take(self, client: Client, total: int | None) -> None:
        """Count one more; nothing is awaited, so that none slips in between.

        Args:
            client: whose it is.
            total: how many all clients together may have.

        Raises:
            ServerFullError, RateLimitError: it would be one too many; it is not counted.
        """
        if total is not None and self.total >= total:
            raise ServerFullError(
                "the server has as many requests in flight as it takes: try again",
                reason="server_full",
                headers=_AGAIN,
            )
        most = client.limits.concurrent
        if most is not None and self._of[client.name] >= most:
            raise RateLimitError(
                f"{most} requests are in flight already, which is as many as you may have",
                reason="concurrency",
                headers=_AGAIN,
            )
        self._of[client.name] += 1
        self.total += 1

    def release(self, client: Client) -> None:
        """One that was counted has ended."""
        self._of[client.name] -= 1
        self.total -= 1
        if not self._of[client.name]:
            # Addresses come and go without end.
            del self._of[client.name]
