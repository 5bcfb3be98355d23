"""One thread for what must not hold the event loop up, and a bounded line before it."""

from __future__ import annotations

import atexit
import logging
import sys
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures

Job = Callable[[], None]
_LIMIT = 32 << 20
_TURN = 0.001  # seconds; Python's own is five times that
_LAST = 5.0  # seconds that the process's end waits for what is still in line
_OVERHEAD = 1 << 10  # bytes a job counts for beside its data, which bounds their number


class Worker:
    """Does jobs in the order they came; takes no more than it has room for.

    What is in line when the process ends in good order is still done, for five seconds at most.

    Args:
        limit: bytes that may wait.
        name: what it works for; names the thread, and it in the log.
    """

    def __init__(self, limit: int = _LIMIT, name: str = "monitor") -> None:
        self._name = name
        self._limit = limit
        self._jobs: deque[tuple[Job, int]] = deque()
        self._waiting = 0
        self._busy = False
        self._changed = Condition()
        self._thread: Thread | None = None

    def put(self, job: Job, size: int) -> bool:
        """Have a job done, soon; False where there is no room for it.

        Args:
            job: may raise; that is logged, and the next one is done.
            size: bytes that it holds.
        """
        size += _OVERHEAD
        with self._changed:
            if self._waiting + size > self._limit:
                return False
            self._jobs.append((job, size))
            self._waiting += size
            if self._thread is None:
                self._thread = Thread(target=self._run, name=f"langsteer-{self._name}", daemon=True)
                self._thread.start()
                # While a job computes, the event loop waits for the interpreter as long as this.
                sys.setswitchinterval(min(sys.getswitchinterval(), _TURN))
                # A daemon is not waited for, and may not be: a job could hang.
                atexit.register(self.settle, _LAST)
            self._changed.notify_all()
        return True

    def settle(self, timeout: float) -> bool:
        """Wait until nothing is left to do; False where that took longer than `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._jobs and not self._busy, timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs)
                job, size = self._jobs.popleft()
                self._busy = True
            try:
                job()
            # Whatever one answer does to it, the next is to be judged.
            except Exception as error:  # noqa: BLE001
                # Not its text: that could be the answer's.
                logger.error("the %s failed on an answer: %s", self._name, type(error).__name__)
            with self._changed:
                self._waiting -= size
                self._busy = False
                self._changed.notify_all()
