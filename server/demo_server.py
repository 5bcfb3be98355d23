"""The demo's own server process: start, wait until it is ready, stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from profiles.errors import LangsteerError

READY_SECONDS = 300
STOP_SECONDS = 30
_LOG_LINES = 25


class ServerError(LangsteerError):
    """The demo's server did not become ready."""


@contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[str]:
    """Run a server for the length of the block; gives its base URL once it is ready.

    The process gets its own session, so that stopping it takes its engine along and nothing else.

    Raises:
        ServerError: it ended before it was ready, or took over READY_SECONDS.
    """
    url = f"http://127.0.0.1:{port}"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            _wait(process, url, log)
            yield url
        finally:
            _stop(process)


def free_port() -> int:
    """A port of this machine nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    started = time.monotonic()
    while (waited := time.monotonic() - started) < READY_SECONDS:
        if (status := process.poll()) is not None:
            raise ServerError(
                f"the server ended with status {status}; {log} ends with:\n{_tail(log)}"
            )
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/health", timeout=5).status_code == httpx.codes.OK:
                return
        if sys.stdout.isatty():
            print(f"\r  waiting for the server, {waited:.0f} s", end="", flush=True)
        time.sleep(1)
    raise ServerError(
        f"the server was not ready after {waited:.0f} s; {log} ends with:\n{_tail(log)}"
    )


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    # Whatever is left of its session: its own engine processes, if it died without them.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
