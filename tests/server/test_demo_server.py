"""The demo's server process: ready, dead on arrival, and gone afterwards."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import httpx
import pytest

from server.demo_server import ServerError, free_port, running

# Answers 200 to everything, and has a child that would outlive it.
HEALTHY = """
import http.server, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_ready_then_gone_with_its_children(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "server.log"
    command = [sys.executable, "-c", HEALTHY, str(port)]
    with running(command, port, log) as url:
        assert httpx.get(f"{url}/health").status_code == 200
        child = int(log.read_text().split()[1])
        assert alive(child)
    for _ in range(50):
        if not alive(child):
            break
        time.sleep(0.1)  # a killed process takes a moment to go
    assert not alive(child)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_a_server_that_dies_shows_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no such model'); raise SystemExit(3)"]
    with (
        pytest.raises(ServerError, match=r"status 3(.|\n)*no such model"),
        running(command, free_port(), tmp_path / "server.log"),
    ):
        pytest.fail("it never was ready")


def test_an_error_inside_stops_it(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", HEALTHY, str(port)]
    with pytest.raises(KeyboardInterrupt), running(command, port, tmp_path / "server.log") as url:
        raise KeyboardInterrupt
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")
