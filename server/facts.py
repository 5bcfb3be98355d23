"""The engine's figures for /metrics and probes, without ever holding either up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from server.control import EngineFacts
from server.metrics import Metrics

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures


class FactsRefresh:
    """Asks the engine when a scrape or probe comes in, one question at a time, with a time limit.

    Args:
        ask: the engine's `facts`.
        metrics: where the answer goes.
        timeout: seconds a scrape waits; an answer that comes later serves the next one.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[EngineFacts]], metrics: Metrics, timeout: float
    ) -> None:
        self._ask = ask
        self._metrics = metrics
        self._timeout = timeout
        self._pending: asyncio.Task[bool] | None = None

    async def __call__(self) -> bool:
        """Bring the metrics up to date, or leave them as they are. Raises nothing.

        Returns:
            Whether the engine answered in time.
        """
        if self._pending is None:
            # Not cancelled on a time-out: the engine would go on with the call all the same.
            self._pending = asyncio.create_task(self._update())
        done, _ = await asyncio.wait({self._pending}, timeout=self._timeout)
        if not done:
            self._metrics.missed()
            return False
        return all(task.result() for task in done)

    async def _update(self) -> bool:
        try:
            self._metrics.engine(await self._ask())
            return True
        # A scrape must not fail because the engine does, whatever it raises.
        except Exception as error:  # noqa: BLE001
            logger.warning("the engine gave no figures: %s", error)
            self._metrics.missed()
            return False
        finally:
            self._pending = None
