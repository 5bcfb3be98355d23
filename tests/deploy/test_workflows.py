""".github/workflows: pinned actions, few permissions, what CI is; the check before a release."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.deploy.tool import tool

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
# Job -> what it may do beyond reading the repository.
MAY = {
    "attest": {"id-token": "write", "attestations": "write"},
    "publish": {"id-token": "write"},
    "release": {"contents": "write"},
}


def read(file: Path) -> dict[str, Any]:
    found = yaml.safe_load(file.read_text())
    assert isinstance(found, dict)
    return found


def jobs() -> dict[str, dict[str, Any]]:
    return {name: job for file in FILES for name, job in read(file)["jobs"].items()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_actions_are_pinned_by_commit_and_say_their_version(file: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", file.read_text())
    assert used
    pinned: dict[str, set[str]] = {}
    for action, comment in used:
        if action.startswith("./"):
            assert (ROOT / action).exists()
            continue
        name, _, commit = action.partition("@")
        assert re.fullmatch(r"[0-9a-f]{40}", commit), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action
        pinned.setdefault(name, set()).add(action + comment)
    assert all(len(versions) == 1 for versions in pinned.values()), pinned


def test_jobs_may_do_what_they_must_and_no_more() -> None:
    assert read(FOLDER / "ci.yml")["permissions"] == {"contents": "read"}
    assert read(FOLDER / "release.yml")["permissions"] == {}
    for name, job in jobs().items():
        granted = dict(job.get("permissions", {"contents": "read"}))
        if granted.get("contents") == "read":
            granted.pop("contents")
        assert granted == MAY.get(name, {}), name
        assert "uses" in job or job["timeout-minutes"] <= 90, name
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name
            # What others may choose, a branch's or a tag's name, is never pasted into a script.
            assert "${{" not in step.get("run", ""), name


def test_ci_is_what_the_repository_runs() -> None:
    of_ci = read(FOLDER / "ci.yml")["jobs"]["test"]["steps"]
    ran = [step["run"] for step in of_ci if "run" in step]
    own = re.findall(r"^make .*$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert own
    assert [command for command in ran if command in own] == own
    budget = read(FOLDER / "ci.yml")["jobs"]["test"]["timeout-minutes"]
    assert budget >= 60


def test_nothing_is_published_untested_or_unattested() -> None:
    release = read(FOLDER / "release.yml")["jobs"]
    needs = {
        name: {*([job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", []))}
        for name, job in release.items()
    }
    before = {"publish"}
    while before != (more := before.union(*(needs[name] for name in before))):
        before = more
    assert before == {"publish", "attest", "build", "test", "check"}
    assert needs["release"] == {"publish"}
    assert release["publish"]["environment"] == "pypi"
    assert "password" not in (FOLDER / "release.yml").read_text()


def test_tools_are_of_the_containers_versions() -> None:
    text = (FOLDER / "release.yml").read_text()
    dockerfile = (ROOT / "deploy/container/Dockerfile").read_text()
    for package, name in (("uv", "UV"), ("cyclonedx-bom", "CYCLONEDX")):
        version = re.search(rf"^ARG {name}=(.*)$", dockerfile, re.MULTILINE)
        assert version
        assert f'"{package}=={version[1]}"' in text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_linter_has_nothing_to_say(file: Path) -> None:
    # By its own rules alone: shellcheck and pyflakes are asked elsewhere.
    command = [tool("actionlint"), "-shellcheck=", "-pyflakes=", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_release", ROOT / "deploy/check_release.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A tree that 1.2.3 may be released from."""
    (tmp_path / "deploy/container").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "langsteer"\nversion = "1.2.3"\n')
    (tmp_path / "deploy/container/Dockerfile").write_text("FROM x\nARG VERSION=1.2.3\n")
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n\n### Added\n\n- All.\n\n"
        "## [1.2.2]\n\n- Less.\n"
    )
    return tmp_path


def test_a_release_that_may_be(check: ModuleType, ready: Path) -> None:
    assert check.problems("v1.2.3", ready) == []
    assert check.notes("v1.2.3", ready) == "### Added\n\n- All."


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v1.2.3-beta", "latest"])
def test_a_tag_that_is_no_version(check: ModuleType, ready: Path, tag: str) -> None:
    (problem,) = check.problems(tag, ready)
    assert repr(tag) in problem


def test_everything_that_disagrees_is_named(check: ModuleType, ready: Path) -> None:
    found = check.problems("v1.2.4", ready)
    assert [line.split(":")[0] for line in found] == [
        "pyproject.toml",
        "deploy/container/Dockerfile",
        "CHANGELOG.md",
    ]


def test_a_changelog_that_says_nothing(check: ModuleType, ready: Path) -> None:
    (ready / "CHANGELOG.md").write_text("# Changelog\n\n## [1.2.3]\n\n## [1.2.2]\n\n- Less.\n")
    (problem,) = check.problems("v1.2.3", ready)
    assert "CHANGELOG.md" in problem


def test_the_command(ready: Path) -> None:
    shutil.copy(ROOT / "deploy/check_release.py", ready / "deploy")
    command = ["python3", str(ready / "deploy/check_release.py")]
    done = subprocess.run(
        [*command, "v1.2.3", "--notes"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "### Added\n\n- All.\n")
    done = subprocess.run([*command, "v2.0.0"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 3
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
