from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from profiles.finding import backend
from profiles.finding.backend import BackendError, find_backend
from profiles.finding.hooked import HookedModel


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("good", "profiles.finding.hooked:HookedModel", backend.GROUP),
        EntryPoint("broken", "profiles.no_such_module:Backend", backend.GROUP),
    ]

    def found(*, group: str) -> Any:
        return points if group == "langsteer.backends" else []

    monkeypatch.setattr(backend, "entry_points", found)


@pytest.mark.usefixtures("installed")
def test_a_backend_is_found_by_name() -> None:
    assert find_backend("good") is HookedModel


@pytest.mark.usefixtures("installed")
def test_an_unknown_backend_names_the_known_ones() -> None:
    with pytest.raises(BackendError, match="'vlm' is installed; there is: broken, good"):
        find_backend("vlm")


@pytest.mark.usefixtures("installed")
def test_a_backend_that_cannot_be_imported_says_why() -> None:
    with pytest.raises(BackendError, match=r"'broken' cannot be imported.*no_such_module"):
        find_backend("broken")
