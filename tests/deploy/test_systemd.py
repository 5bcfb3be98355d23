"""deploy/systemd, held to the entry point, to the code and to systemd's own tools."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from server.health_check import PORT
from server.settings import PREFIX, Settings
from tests.deploy.hangup import heeded

FOLDER = Path(__file__).parents[2] / "deploy/systemd"
UNIT = (FOLDER / "langsteer@.service").read_text()
EXAMPLE = (FOLDER / "langsteer.env.example").read_text()
GUIDE = (FOLDER.parents[1] / "docs/vm.md").read_text()


def setting(name: str) -> str:
    """The last value of a setting, as systemd takes it."""
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)[-1]


def example() -> dict[str, str]:
    """NAME -> value of the environment file, the ones that are commented out included."""
    return dict(re.findall(r"^#?([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))


def test_it_waits_as_long_as_the_server_may_take() -> None:
    _, _, waits = setting("ExecStartPost").partition("--wait ")
    assert int(waits.split()[0]) < int(setting("TimeoutStartSec"))
    _, _, drains = setting("ExecStart").partition("--shutdown-timeout ")
    assert int(setting("TimeoutStopSec")) >= int(drains.split()[0]) + 25
    # SIGTERM to the whole group would end the engine under the requests.
    assert setting("KillMode") == "mixed"


def test_what_the_unit_asks_the_environment_for_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{?([A-Z_]+)", UNIT)) - {"MAINPID"}
    assert asked <= example().keys()
    assert PORT in asked
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    of_the_unit = {"LANGSTEER_LISTEN_PORT", "LANGSTEER_OPTIONS"}
    assert {n for n in example() if n.startswith(PREFIX)} <= known | of_the_unit
    # Those without which it cannot start are not commented out.
    started = set(re.findall(r"\$\{([A-Z_]+)\}", setting("ExecStart")))
    assert started <= {*re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE)}


@pytest.mark.parametrize(
    ("variables", "status", "said"),
    [
        ({}, 1, "nothing to reload"),
        ({"LANGSTEER_POLICY": "/etc/langsteer/policy.yaml"}, 0, ""),
        ({"LANGSTEER_ACCESS": "/etc/langsteer/access.yaml"}, 0, ""),
    ],
)
def test_a_reload_ends_no_server_that_does_not_listen(
    variables: dict[str, str], status: int, said: str
) -> None:
    with subprocess.Popen(["sleep", "30"], preexec_fn=heeded) as server:  # noqa: PLW1509
        command = shlex.split(setting("ExecReload").replace("%i", "a"))
        done = subprocess.run(
            command,
            env={"PATH": "/usr/bin:/bin", "MAINPID": str(server.pid), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, said in done.stderr) == (status, True)
        # `sleep` ends at SIGHUP, as a server without either file does.
        if status == 0:
            assert server.wait(5) == -1
        else:
            assert server.poll() is None
            server.kill()


def test_systemd_takes_it(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    home = tmp_path / "opt"
    for program in ("langsteer", "python"):
        (home / "bin").mkdir(parents=True, exist_ok=True)
        (home / "bin" / program).write_text("#!/bin/sh\n")
        (home / "bin" / program).chmod(0o755)
    unit = tmp_path / "langsteer@a.service"
    unit.write_text(UNIT.replace("/opt/langsteer/%i", str(home)))
    added = tmp_path / "langsteer@a.service.d/gpu.conf"
    for gpu in (False, True):
        if gpu:
            added.parent.mkdir()
            shutil.copy(FOLDER / "gpu.conf", added)
        done = subprocess.run(
            ["systemd-analyze", "verify", "--recursive-errors=no", str(unit)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert not done.stderr, done.stderr


def test_systemd_finds_it_well_protected(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    unit = tmp_path / "langsteer@a.service"
    unit.write_text(UNIT)
    # In tenths of its exposure level, of 100 for a unit without any of it.
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in done.stderr or "offline" in done.stderr:
        pytest.skip("this systemd cannot judge a file")
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_the_guide_names_the_files_there_are() -> None:
    for name in ("langsteer@.service", "gpu.conf", "langsteer.env.example"):
        assert f"deploy/systemd/{name}" in GUIDE
    for path in set(re.findall(r"deploy/systemd/[\w@.]+\w", GUIDE)):
        assert (FOLDER.parents[1] / path).exists(), path
