"""The reload container's script against the server's own endpoints, behind its own keys."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from server import access_admin, policy_admin
from server.access.middleware import AccessMiddleware
from server.access_file import AccessFile
from server.catalog import Catalog
from server.metrics import Metrics
from server.policy_file import PolicyFile
from tests.deploy.helm.scripts import mount, reload
from tests.server.access.conftest import ACME, KEYS, OPERATOR

POLICY = "version: 1\ndefaults: {suppress: [zh]}\n"


class Running:
    """A server with a mounted policy and access file, and what watches them beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files = {
            "policy": mount(folder / "policy", "policy.yaml", "1", POLICY),
            "access": mount(folder / "access", "access.yaml", "1", KEYS),
        }
        self.policy = PolicyFile(self.files["policy"], 2.0, Catalog, lambda _: None)
        self.access = AccessFile(self.files["access"], lambda _: None)
        app = FastAPI()
        app.include_router(policy_admin.router(lambda: self.policy, Catalog, lambda: "m"))
        app.include_router(access_admin.router(lambda: self.access))
        metrics = Metrics(CollectorRegistry())
        app.add_middleware(AccessMiddleware, rules=lambda: self.access.rules, metrics=metrics)
        config = uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.key = folder / "key"
        self.key.write_text(OPERATOR + "\n")
        self.beside = reload.Server(f"http://127.0.0.1:{port}", self.key)

    def change(self, kind: str, text: str) -> None:
        mount(self._folder / kind, f"{kind}.yaml", str(time.monotonic_ns()), text)

    def watched(self, kind: str) -> Any:
        return reload.Watched(kind, lambda: reload.of_file(self.files[kind]))

    def looked(self, watched: Any) -> str:
        """What two looks say: the first of a change only sees that there is one."""
        return "".join(reload.watch(watched, self.beside) for _ in range(2))

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.close()


def test_changes_are_in_force_and_bad_ones_are_not(running: Running) -> None:
    policy = running.watched("policy")
    assert running.looked(policy).startswith("policy: reloaded ")
    running.change("policy", POLICY.replace("zh", "de"))
    assert running.looked(policy) == f"policy: reloaded {running.policy.book.digest[:12]}"
    before = running.policy.book
    running.change("policy", "version: 1\nrules: {}\n")
    said = running.looked(policy)
    assert said.startswith("policy: HTTP 422: ")
    assert "rules, line 2" in said
    assert running.policy.book is before
    assert reload.watch(policy, running.beside) == ""


def test_only_a_key_that_may_operate_the_server_does(running: Running) -> None:
    access = running.watched("access")
    running.key.write_text(ACME)
    assert "HTTP 403" in running.looked(access)
    running.key.unlink()
    assert "access: not read again yet: cannot read the key" in running.looked(access)
    running.key.write_text(OPERATOR)
    assert running.looked(access).startswith("access: reloaded ")
    # The operator's own key is replaced: the old one opens until the new file is read.
    running.change("access", KEYS.replace("acme-key", "x") + "limits: {concurrent: 7}\n")
    running.looked(access)
    assert running.access.rules.document.limits.concurrent == 7
