"""The scripts that the chart brings into pods, against a server that answers what it is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.helm.scripts import FILES, mount, reload, smoke


class Stand:
    """Stands for the server: what it was asked, and what it answers by path."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None, bytes]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        self.headers: dict[str, str] = {}
        stand = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                key = self.headers.get("authorization")
                stand.asked.append((self.command, self.path, key, body))
                status, said = stand.answers.get(self.path, (404, {}))
                self.send_response(status)
                for name, value in stand.headers.items():
                    self.send_header(name, value)
                data = json.dumps(said).encode()
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def stand() -> Iterator[Stand]:
    stand = Stand()
    yield stand
    stand.close()


def test_a_changed_file_is_reloaded_once_and_with_the_key_of_now(
    stand: Stand, tmp_path: Path
) -> None:
    stand.answers["/v1/steering/policy/reload"] = (200, {"digest": "abc" * 20})
    key = tmp_path / "key"
    key.write_text("first\n")
    file = mount(tmp_path / "policy", "policy.yaml", "1", "a")
    server = reload.Server(stand.url, key)
    watched = reload.Watched("policy", lambda: reload.of_file(file))
    # Seen twice alike, so that nothing is read while it is written.
    assert [reload.watch(watched, server) for _ in range(4)] == [
        "",
        "policy: reloaded abcabcabcabc",
        "",
        "",
    ]
    key.write_text("second\n")
    mount(tmp_path / "policy", "policy.yaml", "2", "b")
    assert [bool(reload.watch(watched, server)) for _ in range(3)] == [False, True, False]
    assert [(path, sent) for _, path, sent, _ in stand.asked] == [
        ("/v1/steering/policy/reload", "Bearer first"),
        ("/v1/steering/policy/reload", "Bearer second"),
    ]


def test_a_bad_file_is_told_of_and_not_asked_for_again(stand: Stand, tmp_path: Path) -> None:
    said = {"error": {"message": "rules[0].target: unknown"}}
    stand.answers["/v1/steering/policy/reload"] = (422, said)
    file = tmp_path / "policy.yaml"
    file.write_text("bad")
    server = reload.Server(stand.url, None)
    watched = reload.Watched("policy", lambda: reload.of_file(file))
    lines = [reload.watch(watched, server) for _ in range(5)]
    told = "policy: HTTP 422: rules[0].target: unknown; what was in force stays"
    assert lines == ["", told, "", "", ""]
    assert len(stand.asked) == 1
    assert stand.asked[0][2] is None


@pytest.mark.parametrize("status", [401, 403, 503])
def test_what_may_be_otherwise_soon_is_asked_for_again(
    stand: Stand, tmp_path: Path, status: int
) -> None:
    path = "/v1/steering/access/reload"
    stand.answers[path] = (status, {"error": {"message": "no"}})
    file = tmp_path / "access.yaml"
    file.write_text("x")
    server = reload.Server(stand.url, None)
    watched = reload.Watched("access", lambda: reload.of_file(file))
    first = [reload.watch(watched, server) for _ in range(3)]
    assert all("will ask again" in line for line in first[1:])
    assert ("operatorKey.existingSecret" in first[1]) == (status in (401, 403))
    stand.answers[path] = (200, {"digest": "d"})
    assert reload.watch(watched, server) == "access: reloaded d"
    assert reload.watch(watched, server) == ""


def test_profiles_are_reloaded_when_the_folder_changes_and_refusals_are_told(
    stand: Stand, tmp_path: Path
) -> None:
    refused = [{"file": "fr.safetensors", "reason": "truncated"}]
    answer = {"loaded": ["de@1"], "removed": [], "refused": refused}
    stand.answers["/v1/steering/profiles/reload"] = (200, answer)
    (tmp_path / "de.safetensors").write_bytes(b"1")
    (tmp_path / "README.md").write_text("no profile")
    server = reload.Server(stand.url, None)
    watched = reload.Watched("profiles", lambda: reload.of_folder(tmp_path))
    reload.watch(watched, server)
    line = reload.watch(watched, server)
    assert 'loaded: ["de@1"]' in line
    assert "truncated" in line
    (tmp_path / "README.md").write_text("still none")
    assert [reload.watch(watched, server) for _ in range(2)] == ["", ""]
    new = tmp_path / ".new"
    new.write_bytes(b"1")
    os.utime(new, ns=(1, 1))
    new.replace(tmp_path / "de.safetensors")
    assert [bool(reload.watch(watched, server)) for _ in range(2)] == [False, True]


def test_it_waits_for_the_server_says_so_once_and_ends_when_told(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("x")
    command = [sys.executable, "-I", str(FILES / "reload.py"), "--seconds=0.05"]
    with subprocess.Popen(
        [*command, "--url=http://127.0.0.1:9", f"--policy={file}"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        first = process.stdout.readline()
        time.sleep(0.4)
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(timeout=5) == 0
    assert first.startswith("policy: not read again yet: ")
    assert rest == ""


PROFILES = {"data": [{"id": "de@1", "language": "de", "edits": {"target": {}}}]}


def release(stand: Stand, key: str = "") -> Any:
    stand.answers |= {
        "/steering/health/ready": (200, {"status": "ready"}),
        "/v1/steering/profiles": (200, PROFILES),
        "/v1/models": (200, {"data": [{"id": "m"}]}),
        "/v1/completions": (200, {"choices": [{"text": " Haus"}]}),
    }
    stand.headers = {"X-Steering-Profile": "de@1; strength=1; phase=all"}
    return smoke.Release(stand.url, key)


def test_the_smoke_test_steers_a_completion(stand: Stand) -> None:
    found = smoke.check(release(stand, "k"), completion=True, keyed=True)
    assert found == "ready; offers de@1; steered: de@1; strength=1; phase=all; wrote ' Haus'"
    _, path, key, body = stand.asked[-1]
    assert (path, key) == ("/v1/completions", "Bearer k")
    assert json.loads(body)["steering"] == {"target": "de"}


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/steering/health/ready", (503, {"reasons": ["no profile"]}), "HTTP 503.*no profile"),
        ("/v1/steering/profiles", (200, {"data": []}), "no profile is on offer"),
        ("/v1/completions", (400, {"error": "unknown language"}), "unknown language"),
    ],
)
def test_the_smoke_test_fails_where_the_release_does(
    stand: Stand, path: str, answer: tuple[int, Any], said: str
) -> None:
    found = release(stand)
    stand.answers[path] = answer
    with pytest.raises(smoke.Failed, match=said):
        smoke.check(found, completion=True, keyed=False)


def test_the_smoke_test_fails_where_nothing_was_steered(stand: Stand) -> None:
    found = release(stand)
    stand.headers = {}
    with pytest.raises(smoke.Failed, match="X-Steering-Profile is ''"):
        smoke.check(found, completion=True, keyed=False)


def test_the_smoke_test_of_a_release_with_keys(stand: Stand) -> None:
    found = release(stand)
    stand.answers["/v1/steering/profiles"] = (401, {"error": {"message": "no key"}})
    assert "set operatorKey" in smoke.check(found, completion=True, keyed=False)
    with pytest.raises(smoke.Failed, match="HTTP 401"):
        smoke.check(found, completion=True, keyed=True)
