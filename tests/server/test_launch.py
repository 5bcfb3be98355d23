"""What `langsteer serve` hands to the server it starts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server import launch, options
from server.access_file import AccessFile
from server.settings import Settings
from tests.deploy.helm.scripts import mount


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Everything around it stands still; gives the variables that it sets."""
    monkeypatch.setattr(options, "check_version", lambda *_: None)
    monkeypatch.setattr(launch, "resolve_model", lambda _: tmp_path)
    monkeypatch.setattr(launch, "fingerprint", lambda *_: None)
    monkeypatch.setattr(launch, "read_folder", lambda given, *_: (given, []))
    monkeypatch.setattr(launch, "plan", lambda *_, **__: {})
    monkeypatch.setattr(launch, "_check_entry_points", lambda: None)
    monkeypatch.setattr(launch, "_serve", lambda *_, **__: None)
    variables = dict(os.environ)
    monkeypatch.setattr(os, "environ", variables)
    before = signal.getsignal(signal.SIGHUP)
    yield variables
    signal.signal(signal.SIGHUP, before)


async def test_a_mounted_file_is_read_again_where_it_is_now(
    environ: dict[str, str], tmp_path: Path
) -> None:
    file = mount(tmp_path / "mount", "access.yaml", "1", "limits: {concurrent: 1}")
    profiles = tmp_path / "profiles"
    profiles.symlink_to(tmp_path / "made-today")
    sizes: dict[str, Any] = {"headroom": 0, "memory_headroom": 0, "max_strength": 8.0}
    launch.launch("m", profiles, rest=[], access=file, **sizes)
    settings = Settings.load(environ)
    assert settings.profiles_dir == profiles
    assert settings.access is not None
    access = AccessFile(settings.access, lambda good: None)
    mount(tmp_path / "mount", "access.yaml", "2", "limits: {concurrent: 2}")
    await access.reload()
    assert access.rules.document.limits.concurrent == 2
