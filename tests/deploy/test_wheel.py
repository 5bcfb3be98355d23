"""What the wheel and the sdist hold, and that the wheel works where there is no checkout."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

from tests.deploy.dockerfile import copies
from tests.deploy.wheel import PACKAGES, Elsewhere, build, copy_tree, installed, tracked

# Told to readers of the repository, not to users of the package.
NOT_SHIPPED = {"profiles/ready/README.md"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return copy_tree(tmp_path_factory.mktemp("tree"))
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs git and a checkout: {error}")


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tree, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    with installed(wheel, tmp_path_factory.mktemp("installed")) as there:
        yield there


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_the_wheel_holds_the_packages_whole_and_nothing_else(wheel: Path) -> None:
    of_packages = {name for name in tracked() if name.split("/")[0] in PACKAGES}
    held = {name for name in names(wheel) if ".dist-info/" not in name}
    assert held == of_packages - NOT_SHIPPED
    # The parts that a forgotten pattern would leave out.
    assert {Path(name).suffix for name in held} >= {".safetensors", ".txt", ".html", ".js", ".css"}
    licences = {"LICENSE", "NOTICE"}
    assert {Path(name).name for name in names(wheel) if "/licenses/" in name} == licences


def test_the_wheels_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (folder,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        told = Parser().parsestr(archive.read(f"{folder}/METADATA").decode())
        points = archive.read(f"{folder}/entry_points.txt").decode()
    assert told["Name"] == "langsteer"
    assert told["License-Expression"] == "Apache-2.0"
    assert {"cpu", "gpu", "demo"} <= {*told.get_all("Provides-Extra", [])}
    for group in ("console_scripts", "vllm.general_plugins", "vllm.endpoint_plugins"):
        assert f"[{group}]" in points


def test_the_sdist_builds_the_same_wheel(tree: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(build("sdist", tree, tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    top = {path.name for path in unpacked.iterdir()}
    assert {*PACKAGES, "pyproject.toml", "README.md", "LICENSE", "NOTICE"} <= top
    assert not top & {"tests", "deploy", "docs"}
    assert names(build("wheel", unpacked, tmp_path / "again")) == names(wheel)


def test_the_installed_command_runs_outside_the_checkout(elsewhere: Elsewhere) -> None:
    version = elsewhere.run(*elsewhere.command("--version"))
    assert version.returncode == 0, version.stderr
    assert version.stdout.startswith("langsteer ")
    shown = elsewhere.run(*elsewhere.command("profile", "--help"))
    assert shown.returncode == 0, shown.stderr
    assert "--corpus" in shown.stdout


def test_it_finds_its_data_there(elsewhere: Elsewhere) -> None:
    profile = elsewhere.run(
        elsewhere.python,
        "-c",
        "from profiles.ready.folder import profile_folder; from pathlib import Path; "
        "print(profile_folder(Path('ready')) / 'de.safetensors')",
    )
    file = profile.stdout.strip()
    assert file.startswith(str(elsewhere.environment)), profile
    told = elsewhere.run(*elsewhere.command("inspect", "profile", file, "--json"))
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["language"] == "de"


def test_vllm_would_find_the_plugin_once(elsewhere: Elsewhere) -> None:
    found = elsewhere.run(
        elsewhere.python,
        "-c",
        "from importlib.metadata import entry_points as e\n"
        "for g in ('vllm.general_plugins', 'vllm.endpoint_plugins'):\n"
        "    print(*[p.value for p in e(group=g, name='langsteer')])",
    )
    assert found.stdout.splitlines() == ["steering.plugin:register", "server.app:SteeringEndpoints"]


def test_the_container_builds_the_same_wheel(tree: Path, wheel: Path, tmp_path: Path) -> None:
    for source in copies("wheel"):
        if (tree / source).is_dir():
            shutil.copytree(tree / source, tmp_path / "src" / source)
        else:
            (tmp_path / "src").mkdir(exist_ok=True)
            shutil.copy(tree / source, tmp_path / "src")
    made = build("wheel", tmp_path / "src", tmp_path / "dist")
    assert names(made) == names(wheel)
