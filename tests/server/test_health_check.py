"""The health check's exit status: a server that is up, not ready, slow, gone or not there."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from server.demo_server import free_port
from server.health_check import default_url, main, unhealthy


@contextmanager
def answering(status: int, body: bytes = b"{}", after: float = 0.0, port: int = 0) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(after)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/steering/health/live"
        finally:
            server.shutdown()
            thread.join()


def test_up() -> None:
    with answering(200) as url:
        assert unhealthy(url, 5) is None
        assert main(["--url", url]) == 0


def test_not_ready_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    body = b'{"status": "not ready", "reasons": ["no profile is on offer"]}'
    with answering(503, body) as url:
        assert main(["--url", url]) == 1
    assert "answers 503 (no profile is on offer)" in capsys.readouterr().err


def test_another_servers_error_page(capsys: pytest.CaptureFixture[str]) -> None:
    with answering(404, b"<html>") as url:
        assert main(["--url", url]) == 1
    assert "answers 404\n" in capsys.readouterr().err


def test_too_slow() -> None:
    with answering(200, after=0.5) as url:
        assert "timed out" in (unhealthy(url, 0.1) or "")


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}/", "no url"])
def test_nobody_there(url: str) -> None:
    begun = time.monotonic()
    assert main(["--url", url.format(free_port())]) == 1
    assert time.monotonic() - begun < 1


def test_it_waits_for_a_server_that_starts() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/steering/health/live"
    waiting = [sys.executable, "-m", "server.health_check", "--url", url, "--wait", "30"]
    with subprocess.Popen(waiting) as process:
        time.sleep(0.5)
        assert process.poll() is None
        with answering(200, port=port):
            assert process.wait(10) == 0


def test_it_stops_waiting_for_a_server_that_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    begun = time.monotonic()
    url = f"http://127.0.0.1:{free_port()}/"
    assert main(["--url", url, "--wait", "30", "--pid", str(gone.pid)]) == 1
    assert time.monotonic() - begun < 5
    assert f"(process {gone.pid}) has ended" in capsys.readouterr().err


def test_it_gives_up_at_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", f"http://127.0.0.1:{free_port()}/", "--wait", "0.2"]) == 1
    assert "not up after 0 s" in capsys.readouterr().err


def test_proxies_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with answering(200) as url:
        assert main(["--url", url]) == 0


def test_where_it_asks() -> None:
    assert default_url({}) == "http://127.0.0.1:8000/steering/health/live"
    assert default_url({"LANGSTEER_LISTEN_PORT": "9000"}).startswith("http://127.0.0.1:9000/")
    assert default_url({"LANGSTEER_HEALTH_URL": "https://x/y"}) == "https://x/y"


def test_it_needs_nothing_heavy() -> None:
    code = "import sys, server.health_check; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "vllm", "fastapi", "pydantic", "httpx"} & {*done.stdout.split()}
