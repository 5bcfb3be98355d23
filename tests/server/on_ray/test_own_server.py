"""A server's process: its end is seen, its words are kept, and it does not outlive its replica."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from server.on_ray.options import Options
from server.on_ray.own_server import OwnServer, OwnServerError

ROOT = Path(__file__).parents[3]


async def test_a_server_that_ends_says_why(tmp_path: Path) -> None:
    server = OwnServer("./no-such-model", tmp_path)
    with pytest.raises(OwnServerError, match="ended with status 1") as caught:
        await server.ready(60)
    assert "no model folder './no-such-model'" in str(caught.value)
    server.stop(1)


async def test_a_server_that_does_not_get_ready_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    server = OwnServer("./no-such-model", tmp_path)
    with pytest.raises(OwnServerError, match="not ready after 0 s"):
        await server.ready(0)
    server.stop(0.1)


def test_it_ends_with_who_started_it() -> None:
    """The process that starts it is killed: nothing of it can end the child, but the system."""
    script = """
import subprocess, sys, time, os
child = subprocess.Popen([sys.executable, "-c", '''
import os, sys, time
sys.argv = ["child", sys.argv[1]]
import types
command = types.ModuleType("server.cli")
command.main = lambda: (print("up", flush=True), time.sleep(60))
sys.modules["server.cli"] = command
from server.on_ray.child import main
main()
''', str(os.getpid())], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(child, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 10
    while time.monotonic() < end and Path(f"/proc/{child}/stat").exists():
        if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break  # ended; nobody is left to ask for its status
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}").exists()


def test_a_child_without_its_parent_does_not_start() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server.on_ray.child", "1", "serve", "demo"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if os.getpid() != 1:
        assert done.returncode == 1
        assert "process 1, which started this server, is gone" in done.stderr


def test_options_as_they_are_typed_and_as_they_are_written() -> None:
    typed = Options.model_validate(
        {"model": "demo", "profiles": "ready", "replicas": "3", "options": "--dtype 'bfloat16'"}
    )
    assert (typed.replicas, typed.options) == (3, ("--dtype", "bfloat16"))
    assert (typed.folder / "de.safetensors").is_file()
    written = {"model": "demo", "profiles": "ready", "options": ["--max-num-seqs", "4"]}
    assert Options.model_validate(written).options == ("--max-num-seqs", "4")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"options": "--port 8000"}, "--port is set by the replica"),
        ({"options": "--profiles=x"}, "--profiles is set by the replica"),
        ({"options": ["--headless"]}, "which a replica needs"),
        ({"replicas": 0}, "replicas"),
        ({"replica": 2}, "replica"),
    ],
)
def test_options_that_cannot_be(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Options.model_validate({"model": "demo", "profiles": "ready", **wrong})


def test_the_operators_key_is_of_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Options.model_validate({"model": "demo", "profiles": "ready"})
    assert plain.operator_key() is None
    keyed = plain.model_copy(update={"operator_key_variable": "OPERATOR_KEY"})
    monkeypatch.delenv("OPERATOR_KEY", raising=False)
    with pytest.raises(ValueError, match="OPERATOR_KEY is not set"):
        keyed.operator_key()
    monkeypatch.setenv("OPERATOR_KEY", "secret")
    assert keyed.operator_key() == "secret"
