"""The chart's scripts as modules, and a file as Kubernetes mounts it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from tests.deploy.helm.chart import CHART

FILES = CHART / "files"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"chart_{name}", FILES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


reload, smoke = load("reload"), load("smoke")


def mount(folder: Path, name: str, version: str, text: str) -> Path:
    """A file as Kubernetes mounts it from a ConfigMap: a link, to a link that changes.

    What the link led to before is gone.
    """
    data, new = folder / "..data", folder / "..new"
    old = folder / data.readlink() if data.is_symlink() else None
    held = folder / f"..{version}"
    held.mkdir(parents=True)
    (held / name).write_text(text)
    new.symlink_to(held.name)
    new.replace(data)
    file = folder / name
    if old is None:
        file.symlink_to(f"..data/{name}")
    else:
        (old / name).unlink()
        old.rmdir()
    return file
