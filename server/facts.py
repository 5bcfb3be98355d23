"""The engine's figures for /metrics, without ever holding /metrics up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from server.control import EngineFacts
from server.metrics import Metrics

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures


class FactsRefresh:
    """Asks the engine when a scrape comes in, one question at a time, with a time limit.

    Args:
        ask: the engine's `facts`.
        metrics: where the answer goes.
        timeout: seconds a scrape waits; an answer that comes later serves the next scrape.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[EngineFacts]], metrics: Metrics, timeout: float
    ) -> None:
        self._ask = ask
        self._metrics = metrics
        self._timeout = timeout
        self._pending: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Bring the metrics up to date, or leave them as they are. Raises nothing."""
        if self._pending is None:
            # Not cancelled on a time-out: the engine would go on with the call all the same.
            self._pending = asyncio.create_task(self._update())
        done, _ = await asyncio.wait({self._pending}, timeout=self._timeout)
        if not done:
            self._metrics.missed()

    async def _update(self) -> None:
        try:
            self._metrics.engine(await self._ask())
        # A scrape must not fail because the engine does, whatever it raises.
        except Exception as error:  # noqa: BLE001
            logger.warning("the engine gave no figures: %s", error)
            self._metrics.missed()
        finally:
            self._pending = None
