from __future__ import annotations

import platform

import numpy as np

from profiles.versions import installed, versions


def test_versions_of_what_the_figures_depend_on() -> None:
    found = versions()
    assert [*found] == ["python", "langsteer", "torch", "transformers", "numpy"]
    assert found["python"] == platform.python_version()
    assert found["numpy"] == installed("numpy") == np.__version__


def test_what_is_not_installed() -> None:
    assert installed("langsteer-is-no-such-package") == "not installed"
