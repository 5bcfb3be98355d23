"""The container's entry point, run as the script that it is, with a stand-in for `langsteer`."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.deploy.hangup import heeded

ENTRYPOINT = Path(__file__).parents[2] / "deploy/container/entrypoint.sh"
# Tells how it was called; with --hold it runs until SIGTERM, and takes a moment, as requests do.
STAND_IN = """#!/bin/sh
printf '%s\\n' "$@" >"$TOLD"
echo "$$" >"$TOLD.pid"
case " $* " in *" --fail "*) exit 3 ;; esac
case " $* " in *" --hold "*) ;; *) exit 0 ;; esac
trap 'echo draining; sleep 0.3; echo drained; exit 0' TERM
trap 'echo reloaded' HUP
echo serving
while :; do sleep 0.05; done
"""


class Container:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = folder / "told"
        (folder / "bin").mkdir()
        stand_in = folder / "bin/langsteer"
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)
        self.profiles = folder / "profiles"
        self.profiles.mkdir()
        (self.profiles / "de.safetensors").touch()
        self.env = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "TOLD": str(self.told),
            "TMPDIR": str(folder),
            "LANGSTEER_CACHE": str(folder / "cache/langsteer"),
            "HF_HOME": str(folder / "cache/huggingface"),
            "VLLM_CACHE_ROOT": str(folder / "cache/vllm"),
            "LANGSTEER_PROFILES_DIR": str(self.profiles),
        }

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", str(ENTRYPOINT), *arguments],
            env={**self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heeded,  # noqa: PLW1509
        )

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, **env) as process:
            out, err = process.communicate(timeout=20)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def called(self) -> list[str]:
        return self.told.read_text().splitlines()


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


def test_the_model_and_what_the_container_adds(container: Container) -> None:
    assert container.run("owner/name", "--max-model-len", "4096").returncode == 0
    assert container.called() == [
        *("serve", "owner/name", "--profiles", str(container.profiles)),
        *("--max-model-len", "4096", "--port", "8000", "--shutdown-timeout", "60"),
    ]
    # Made, so that a fresh volume will do.
    assert (container.folder / "cache/huggingface").is_dir()


def test_the_model_from_the_environment(container: Container) -> None:
    done = container.run(
        "--dtype",
        "float32",
        LANGSTEER_MODEL="a folder",
        LANGSTEER_LISTEN_PORT="9000",
        LANGSTEER_SHUTDOWN_TIMEOUT="5",
    )
    assert done.returncode == 0, done.stderr
    called = container.called()
    assert called[:2] == ["serve", "a folder"]
    assert called[-4:] == ["--port", "9000", "--shutdown-timeout", "5"]


def test_arguments_win(container: Container) -> None:
    given = [
        "m",
        "--profiles=ready",
        "--port",
        "1",
        "--shutdown-timeout=7",
        "--served-model-name",
        "a b",
    ]
    assert container.run(*given, LANGSTEER_MODEL="other", LANGSTEER_LISTEN_PORT="x").returncode == 0
    assert container.called() == ["serve", *given]


def test_the_demos_own_profiles(container: Container) -> None:
    assert container.run("demo", LANGSTEER_PROFILES_DIR="ready").returncode == 0
    assert container.called()[:4] == ["serve", "demo", "--profiles", "ready"]


def test_other_commands(container: Container) -> None:
    assert container.run("langsteer", "access", "check", "a file").returncode == 0
    assert container.called() == ["access", "check", "a file"]
    assert container.run("--help").returncode == 0
    assert container.called() == ["serve", "--help"]


@pytest.mark.parametrize("arguments", [(), ("--max-model-len", "4096")])
def test_no_model(container: Container, arguments: tuple[str, ...]) -> None:
    done = container.run(*arguments, LANGSTEER_MODEL="")
    assert done.returncode == 78
    assert "no model given" in done.stderr
    assert "LANGSTEER_MODEL" in done.stderr
    assert not container.told.exists()


def test_no_profiles(container: Container) -> None:
    (container.profiles / "de.safetensors").unlink()
    (container.profiles / "NOTICE").touch()
    done = container.run("m")
    assert done.returncode == 78
    assert f"no profile files in {container.profiles}" in done.stderr
    assert container.run("m", LANGSTEER_PROFILES_DIR="/not/there").returncode == 78
    assert not container.told.exists()


@pytest.mark.parametrize("name", ["LANGSTEER_CACHE", "HF_HOME", "VLLM_CACHE_ROOT", "TMPDIR"])
def test_what_cannot_be_written(container: Container, name: str) -> None:
    # Below a file, which root cannot write either.
    file = container.folder / "file"
    file.touch()
    done = container.run("m", **{name: f"{file}/cache"})
    assert done.returncode == 78
    assert f"cannot write to {file}/cache as user {os.getuid()}" in done.stderr
    assert "docker run -v" in done.stderr
    assert not container.told.exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("what", ["model", "profiles"])
def test_what_cannot_be_read(container: Container, what: str) -> None:
    model = container.folder / "model"
    model.mkdir()
    (container.folder / what).chmod(0)
    done = container.run(str(model))
    assert done.returncode == 78
    assert f"cannot read {container.folder / what} as user {os.getuid()}" in done.stderr


@pytest.mark.parametrize("name", ["LANGSTEER_LISTEN_PORT", "LANGSTEER_SHUTDOWN_TIMEOUT"])
@pytest.mark.parametrize("value", ["tcp://10.0.0.1:8000", "-1", "1.5"])
def test_what_is_no_number(container: Container, name: str, value: str) -> None:
    done = container.run("m", **{name: value})
    assert done.returncode == 78
    assert f"{name} is '{value}'" in done.stderr


def test_the_servers_status_is_the_containers(container: Container) -> None:
    assert container.run("m", "--fail").returncode == 3


def test_signals_reach_the_server_and_it_drains(container: Container) -> None:
    with container.start("m", "--hold") as process:
        assert process.stdout
        assert process.stdout.readline() == "serving\n"
        # No shell is left in between: the server is the process that the container started.
        assert int(Path(f"{container.told}.pid").read_text()) == process.pid
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == "reloaded\n"
        assert process.poll() is None
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "draining\ndrained\n"
        assert process.wait(5) == 0
        assert time.monotonic() - begun >= 0.3
