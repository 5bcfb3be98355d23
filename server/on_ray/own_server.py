"""A replica's own server: `langsteer serve` as a process, its folder of profiles, its log."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from profiles.errors import LangsteerError

_LINES = 40


class OwnServerError(LangsteerError):
    """The server did not become ready, or has ended."""


class OwnServer:
    """Started at once; `ready` waits for it.

    Args:
        model: MODEL.
        profiles: its folder of profile files.
        options: of `langsteer serve`.
        environment: variables beside this process's.
    """

    def __init__(
        self,
        model: str,
        profiles: Path,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._tail: deque[str] = deque(maxlen=_LINES)
        command = [sys.executable, "-m", "server.on_ray.child", str(os.getpid()), "serve", model]
        place = ["--profiles", str(profiles), "--host", "127.0.0.1", "--port", str(port)]
        self._process = subprocess.Popen(
            [*command, *place, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
        self._reader = threading.Thread(target=self._pass_on, daemon=True)
        self._reader.start()

    async def ready(self, limit: float) -> None:
        """Wait until it serves: every profile is loaded and proven then.

        Raises:
            OwnServerError: it ended, or took longer than `limit` seconds; with its last lines.
        """
        end = time.monotonic() + limit
        async with httpx.AsyncClient(timeout=5) as client:
            while time.monotonic() < end:
                self.check()
                try:
                    if (await client.get(f"{self.url}/health")).status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.5)
        raise OwnServerError(f"the server was not ready after {limit:.0f} s{self._said()}")

    def check(self) -> None:
        """See that the process runs.

        Raises:
            OwnServerError: it has ended; with its last lines.
        """
        if (status := self._process.poll()) is not None:
            self._reader.join(1)
            raise OwnServerError(f"the server ended with status {status}{self._said()}")

    def stop(self, seconds: float) -> None:
        """End it; killed where it has not ended by itself in time."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        # Its engine may still hold the pipe for a moment.
        self._reader.join(1)

    def _pass_on(self) -> None:
        """Its lines into this process's own output, which Ray keeps with the replica's log."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                self._tail.append(text)
                print(text, flush=True)

    def _said(self) -> str:
        lines = "\n".join(self._tail)
        return f"; its last lines:\n{lines}" if lines else ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
