"""The benchmark's end of an engine in another process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from steering.bench.times import Times
from steering.bench.workload import Ask
from steering.engine.bench_process import EngineReport, EngineSpec, main
from steering.errors import EngineError


class Engine:
    """A vLLM engine that runs while this is entered; others may run beside it, idle.

    Args:
        name: in messages.
        spec: which engine.

    Raises:
        EngineError: on entering, that it does not start; later, that it failed or ended.
    """

    def __init__(self, name: str, spec: EngineSpec) -> None:
        self._name, self._spec = name, spec

    def __enter__(self) -> Self:
        # A fresh interpreter: an engine must not inherit what another one has imported.
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=main, args=(other, self._spec), daemon=False)
        self._process.start()
        other.close()
        try:
            self.ready: EngineReport = self._receive()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def run(self, asks: Sequence[Ask]) -> Times:
        """Answer `asks`, all sent at once."""
        self._connection.send(list(asks))
        times: Times = self._receive()
        return times

    def report(self) -> EngineReport:
        """How it stands now."""
        self._connection.send(None)
        report: EngineReport = self._receive()
        return report

    def _receive(self) -> Any:
        try:
            answer = self._connection.recv()
        except EOFError:
            raise EngineError(f"the engine {self._name!r} ended; its log says why") from None
        if isinstance(answer, str):
            raise EngineError(f"the engine {self._name!r}: {answer}")
        return answer

    def _end(self) -> None:
        # It reads the end of the pipe and shuts its own processes down.
        self._connection.close()
        self._process.join(timeout=60)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(timeout=10)
