"""What the set-up finds wrong with a machine."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[2] / "deploy/check_install.py"


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_install", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_missing_system_library_is_named_with_its_package(check: ModuleType) -> None:
    (problem,) = check.missing({"libc.so.6": "libc6", "libnot-there.so.9": "libnot-there9"})
    assert problem.startswith("libnot-there.so.9: cannot open shared object file")
    assert "apt-get install libnot-there9" in problem


def test_images_and_guides_install_what_is_asked_for(check: ModuleType) -> None:
    root = FILE.parents[1]
    for package in check.LIBRARIES.values():
        for place in ("deploy/container/Dockerfile", "docs/vm.md", "README.md"):
            assert package in (root / place).read_text(), place
