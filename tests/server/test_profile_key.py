"""`langsteer serve --profile-key`: nothing unsigned reaches the engine."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY

from profiles import store
from profiles.errors import LangsteerError, ProfileError
from profiles.profile import ModelIdentity, Profile
from profiles.sharing.keys import PublicKeys
from profiles.sharing.signer import Signer, make_keys
from server import launch, options
from server.app import SteeringEndpoints
from server.errors import ProfileFileInvalidError
from server.folder import read_folder
from server.leases import Leases
from server.registry import Registry
from server.scan import scan
from tests.server.operated import operator, plugged


@pytest.fixture
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_keys(tmp_path_factory.mktemp("keys") / "mine", "")


@pytest.fixture
def sign(folder: Path, keys: tuple[Path, Path]) -> Callable[..., None]:
    """sign(): all files of the folder; sign("de"): one."""
    signer = Signer.read(keys[0], lambda: "")

    def make(*names: str) -> None:
        for name in names or ("de", "ja"):
            file = folder / f"{name}.safetensors"
            signature = signer.sign(file.read_bytes(), file.name, name)
            file.with_name(f"{file.name}.minisig").write_bytes(signature)

    return make


@pytest.fixture
def registry(folder: Path, control: Any, model: ModelIdentity, keys: tuple[Path, Path]) -> Registry:
    public = PublicKeys.read(keys[1])
    return Registry(partial(scan, folder, model, keys=public), control, Leases(), 8.0)


async def test_a_start_needs_every_signature(
    registry: Registry, control: Any, sign: Callable[..., None]
) -> None:
    sign("de")
    with pytest.raises(ProfileError, match=r"ja\.safetensors is not signed.*mine\.pub demands"):
        await registry.start()
    assert control.loaded == []
    sign("ja")
    await registry.start()
    assert len(control.loaded) == 2


async def test_a_reload_takes_only_what_is_signed(
    registry: Registry,
    folder: Path,
    control: Any,
    sign: Callable[..., None],
    make_profile: Callable[..., Profile],
) -> None:
    sign()
    await registry.start()
    before = list(control.loaded)
    # A good profile of this very model, with the signature of the one that was there.
    store.save(make_profile("de", add=3.0), folder)
    store.save(make_profile("fr"), folder)
    report = await registry.reload()
    reasons = {refusal.file: refusal.reason for refusal in report.refused}
    assert "was altered after key" in reasons["de.safetensors"]
    assert "is not signed" in reasons["fr.safetensors"]
    assert control.loaded == before  # what was served stays
    for name in ("de", "fr"):
        with pytest.raises(ProfileFileInvalidError, match=r"signed|altered"):
            await registry.load(name)
    sign("de", "fr")
    assert (await registry.load("fr"))[1] == "loaded"
    assert [label.split("@")[0] for label in (await registry.reload()).loaded] == ["de"]


async def test_the_endpoint_says_why(
    registry: Registry,
    folder: Path,
    control: Any,
    sign: Callable[..., None],
    make_profile: Callable[..., Profile],
) -> None:
    sign()
    await registry.start()
    store.save(make_profile("fr"), folder)
    async with operator(registry, control) as client:
        answer = await client.post("/profiles/fr/load")
    assert answer.status_code == 422
    assert "fr.safetensors.minisig" in answer.json()["error"]["message"]


def test_one_profile_in_anothers_place(
    folder: Path, model: ModelIdentity, keys: tuple[Path, Path], sign: Callable[..., None]
) -> None:
    sign()
    for end in ("", ".minisig"):
        (folder / f"de.safetensors{end}").replace(folder / f"ja.safetensors{end}")
    found = scan(folder, model, keys=PublicKeys.read(keys[1]))
    assert "name it de.safetensors" in found.refused[0].reason


def test_a_link_and_a_long_signature(
    folder: Path, model: ModelIdentity, keys: tuple[Path, Path], sign: Callable[..., None]
) -> None:
    sign()
    (folder / "ja.safetensors.minisig").write_bytes(b"x" * 10_000_000)
    (folder / "de.safetensors.minisig").unlink()
    (folder / "de.safetensors.minisig").mkdir()
    found = scan(folder, model, keys=PublicKeys.read(keys[1]))
    assert [refusal.file for refusal in found.refused] == ["de.safetensors", "ja.safetensors"]


def test_the_command_checks_before_anything_is_loaded(
    folder: Path,
    model: ModelIdentity,
    keys: tuple[Path, Path],
    sign: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with pytest.raises(ProfileError, match=r"2 bad files.*(?s:.*)is not signed"):
        read_folder(folder, model, PublicKeys.read(keys[1]))
    sign()
    assert len(read_folder(folder, model, PublicKeys.read(keys[1]))[1]) == 2
    monkeypatch.setattr(options, "check_version", lambda *_: None)
    more = {"headroom": 0, "memory_headroom": 0, "max_strength": 8.0, "rest": []}
    with pytest.raises(LangsteerError, match="cannot read the public key"):
        launch.launch("demo", folder, profile_key=tmp_path / "no.pub", **more)  # type: ignore[arg-type]


@pytest.fixture
def surroundings(
    folder: Path, control: Any, model: ModelIdentity, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    with plugged(folder, control, model, monkeypatch):
        yield monkeypatch


async def test_the_servers_own_process_demands_them_too(
    surroundings: pytest.MonkeyPatch, keys: tuple[Path, Path], sign: Callable[..., None]
) -> None:
    class Client:
        async def get_supported_tasks(self) -> tuple[str, ...]:
            return ("generate",)

    surroundings.setenv("LANGSTEER_PROFILE_KEY", str(keys[1]))
    plugin, app = SteeringEndpoints(), FastAPI()
    plugin.attach_router(app)
    with pytest.raises(ProfileError, match="is not signed"):
        await plugin.init_state(Client(), app.state, Namespace(model="/m"))
    sign()
    await plugin.init_state(Client(), app.state, Namespace(model="/m"))
    assert REGISTRY.get_sample_value("langsteer_profiles_loaded") == 2
    surroundings.setenv("LANGSTEER_PROFILE_KEY", str(keys[0]))
    with pytest.raises(LangsteerError, match="looks like a secret key"):
        SteeringEndpoints()
