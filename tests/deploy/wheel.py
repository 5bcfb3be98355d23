"""langsteer's wheel, built from a copy of the tree, and installed beside big packages of others."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("profiles", "steering", "server")
_BUILD = "import sys; from setuptools import build_meta as b; print(b.build_{what}(sys.argv[1]))"


def tracked() -> list[str]:
    """What git knows of, or would take: a build from a clean checkout sees these files.

    Raises:
        FileNotFoundError: there is no git.
        subprocess.CalledProcessError: this is no checkout.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def build(what: str, tree: Path, out: Path) -> Path:
    """Build the `wheel` or the `sdist` of a tree, with this environment's setuptools."""
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", _BUILD.format(what=what), str(out)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"building the {what} failed:\n{done.stdout}{done.stderr}")
    return out / done.stdout.splitlines()[-1]


def copy_tree(to: Path) -> Path:
    """A copy of the checkout's files: a build leaves things where it runs."""
    for name in tracked():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, to / name)
    return to


@dataclasses.dataclass(frozen=True)
class Elsewhere:
    """An environment with the wheel in it, and a folder outside the checkout to run it in."""

    environment: Path
    folder: Path

    def command(self, *arguments: str) -> list[str]:
        """The `langsteer` of that environment."""
        return [str(self.environment / "bin/langsteer"), *arguments]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run something there, without anything of the checkout on the way."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.variables(),
            capture_output=True,
            text=True,
            check=False,
        )

    def variables(self) -> dict[str, str]:
        """This process's, less what would lead back to the checkout."""
        return {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.environment / "bin/python")


@contextmanager
def installed(wheel: Path, place: Path) -> Iterator[Elsewhere]:
    """Install a wheel alone into a new environment that finds everything else in this one's.

    A path file adds this environment's packages behind its own. Python does not read path files
    in folders that were added so: an editable langsteer of here stays out of sight.
    """
    environment, folder = place / "environment", place / "elsewhere"
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)])
    own = Path(_run([str(environment / "bin/python"), "-c", _WHERE]).strip())
    (own / "others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin/python")]
    _run([*pip, "install", "--no-deps", "--no-index", "--quiet", str(wheel)])
    folder.mkdir()
    yield Elsewhere(environment, folder)


_WHERE = "import sysconfig; print(sysconfig.get_paths()['purelib'])"


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
