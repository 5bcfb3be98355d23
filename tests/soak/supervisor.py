"""A process that is started again whenever it ends, as systemd or Kubernetes would."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

_PAUSE = 1.0


def role(process: psutil.Process) -> str:
    """server, engine or worker: vLLM names its processes so."""
    name = " ".join(process.cmdline())
    if "VLLM::Worker" in name:
        return "worker"
    return "engine" if "VLLM::EngineCore" in name else "server"


class Supervisor:
    """Keeps one `langsteer serve` running; leave the `with` block to stop it for good.

    Args:
        command: what is run.
        log: where its output is appended.
        env: its whole environment.

    Attributes:
        starts: how often it was started.
    """

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self.starts = 0
        self._command, self._log, self._env = list(command), log, dict(env)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Supervisor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self._lock:
            process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                for child in self.processes():
                    child.kill()
        self._thread.join(60)

    @property
    def pid(self) -> int | None:
        """Of the server that runs now; None between two."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def processes(self) -> list[psutil.Process]:
        """The server and what it started, itself first; none between two."""
        if (pid := self.pid) is None:
            return []
        try:
            server = psutil.Process(pid)
            return [server, *server.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def worker(self) -> psutil.Process:
        """The process in which vLLM's engine holds the model.

        Raises:
            RuntimeError: there is none.
        """
        for process in self.processes():
            if role(process) == "worker":
                return process
        raise RuntimeError("the server has no worker now")

    def wait_for_start(self, count: int, limit: float = 120) -> None:
        """Until it was started `count` times.

        Raises:
            TimeoutError: it was not within `limit` seconds.
        """
        deadline = time.monotonic() + limit
        while self.starts < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server did not end within {limit:.0f} s")
            time.sleep(0.1)

    def _watch(self) -> None:
        with self._log.open("ab", buffering=0) as log:
            while not self._over.is_set():
                with self._lock:
                    self._process = subprocess.Popen(
                        self._command, stdout=log, stderr=log, env={**os.environ, **self._env}
                    )
                    self.starts += 1
                status = self._process.wait()
                log.write(f"\n--- ended with {status}\n".encode())
                if not self._over.is_set():
                    time.sleep(_PAUSE)
