"""Profiles to share, a key pair, a web server and a Hub on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from profiles import store
from profiles.profile import Profile
from profiles.sharing.signer import Signer, make_keys
from tests.profiles.sharing.hub_server import TOKEN, Hub, hub_server
from tests.profiles.sharing.web_server import WebServer, web_server

MakeFolder = Callable[..., Path]


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, no tokens, no proxies, wide tables."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT", "LANGSTEER_PROFILES_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANGSTEER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


def point(strength: float, success: float, perplexity: float = 1.1) -> dict[str, Any]:
    return {
        "strength": strength,
        "phase": "all",
        "success": success,
        "by_context": {"nothing": success},
        "repetition": 0.03,
        "bits_per_byte": 1.0,
        "perplexity": perplexity,
        "samples": 24,
    }


@pytest.fixture
def german(german: Profile) -> Profile:
    """The profile with neurons, offsets and memories, calibrated towards the language."""
    calibration = {
        "points": [point(0.5, 0.7), point(1.0, 0.95, 1.07), point(1.5, 1.0, 1.4)],
        "recommended": 1,
        "rescaled": 1.1,
        "phase": "all",
    }
    provenance = {
        "method": "learned",
        "parameters": {"steps": 50},
        "corpus": {"source": "starter", "sha256": "c" * 64, "sentences": 260},
        "versions": {"langsteer": "0.1.0"},
        "learning": {"target": {"calibration": calibration}},
    }
    return replace(german, provenance=provenance)


@pytest.fixture
def stronger(german: Profile) -> Profile:
    """Another version of it."""
    assert german.target
    return replace(german, target=german.target.times(2))


@pytest.fixture
def make_folder(tmp_path: Path, german: Profile) -> MakeFolder:
    """make_folder(name, *profiles): a folder of them, by default of German and Japanese."""

    def make(name: str, *profiles: Profile) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for profile in profiles or (german, replace(german, language="ja")):
            store.save(profile, folder)
        return folder

    return make


@pytest.fixture
def folder(make_folder: MakeFolder) -> Path:
    return make_folder("made")


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """(secret key, public key), without a password."""
    return make_keys(tmp_path / "mine", "")


@pytest.fixture
def signer(keys: tuple[Path, Path]) -> Signer:
    return Signer.read(keys[0], lambda: pytest.fail("no password is needed"))


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """The Hub, and a client that may write to it."""
    from huggingface_hub import constants

    # Uploads to the Hub's newer store need its own server: here they go by Git LFS.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hub_server() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server
