from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from safetensors.numpy import load, save

from profiles import store
from profiles.errors import ProfileError
from profiles.profile import ModelIdentity, Profile
from server import admin
from server.catalog import Entry
from server.errors import InUseError
from server.leases import Leases
from server.registry import Registry
from server.scan import scan
from steering.errors import EngineError
from tests.server.operated import started


@pytest.fixture
def leases() -> Leases:
    return Leases()


@pytest.fixture
async def registry(folder: Path, control: Any, model: ModelIdentity, leases: Leases) -> Registry:
    return await started(folder, control, model, leases)


@pytest.fixture
def old(registry: Registry, leases: Leases) -> Entry:
    """The German profile, which a request in flight uses."""
    entry = registry.catalog.get("de")
    assert entry
    leases.take([entry.profile.content_hash])
    return entry


def damage(folder: Path, name: str) -> None:
    file = folder / name
    file.write_bytes(file.read_bytes()[:-3])


def lose(folder: Path) -> None:
    folder.rename(folder.with_name(f"{folder.name}-elsewhere"))


async def test_start_loads_proves_and_publishes(registry: Registry, control: Any) -> None:
    assert [entry.name for entry in registry.catalog] == ["de", "ja"]
    hashes = [entry.profile.content_hash for entry in registry.catalog]
    assert control.loaded == hashes
    assert [request.target for request in control.probed] == hashes
    assert control.strongest == 8.0


async def test_start_names_every_bad_file(
    folder: Path, control: Any, model: ModelIdentity, make_profile: Callable[..., Profile]
) -> None:
    damage(folder, "de.safetensors")
    (folder / "fr.safetensors").write_bytes(b"junk")
    (folder / "zh.safetensors").write_bytes(store.dumps(make_profile("it")))
    other = ModelIdentity(**{**vars(model), "weights": "x" * 64})
    (folder / "es.safetensors").write_bytes(store.dumps(make_profile("es", model=other)))
    registry = Registry(partial(scan, folder, model), control, Leases(), 8.0)
    with pytest.raises(ProfileError) as caught:
        await registry.start()
    lines = str(caught.value).splitlines()
    assert [line.split(".")[0] for line in lines] == ["de", "es", "fr", "zh"]
    assert "another model" in lines[1]
    assert "name it it.safetensors" in lines[3]
    assert control.loaded == []


@pytest.mark.parametrize(
    ("tensor", "value", "words"),
    [
        ("target.neurons.add", np.array([1, np.nan, 1], np.float32), "NaN"),
        ("target.offsets.value", np.ones((1, 5), np.float32), "shape (1, 5), expected (1, 4)"),
        ("target.neurons.scale", np.ones(3, np.float32), "content hash"),
    ],
)
async def test_reload_refuses_altered_tensors(
    registry: Registry, folder: Path, tensor: str, value: Any, words: str
) -> None:
    data = (folder / "de.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    tensors = {**load(data), tensor: value}
    (folder / "de.safetensors").write_bytes(save(tensors, metadata=header["__metadata__"]))
    (refusal,) = (await registry.reload()).refused
    assert words in refusal.reason
    assert [entry.name for entry in registry.catalog] == ["de", "ja"]


@pytest.mark.parametrize("fault", ["no_room", "no_effect"])
async def test_start_fails_with_the_engine(
    folder: Path, control: Any, model: ModelIdentity, fault: str
) -> None:
    setattr(control, fault, True)
    registry = Registry(partial(scan, folder, model), control, Leases(), 8.0)
    with pytest.raises(EngineError):
        await registry.start()
    assert len(registry.catalog) == 0


async def test_start_needs_armed_workers_and_files(
    tmp_path: Path, control: Any, model: ModelIdentity
) -> None:
    registry = Registry(partial(scan, tmp_path, model), control, Leases(), 8.0)
    with pytest.raises(ProfileError, match="no profile files"):
        await registry.start()
    control.armed = False
    with pytest.raises(EngineError, match="not armed"):
        await registry.start()


async def test_reload_adds_replaces_removes_and_keeps(
    registry: Registry, folder: Path, control: Any, make_profile: Callable[..., Profile]
) -> None:
    before = registry.catalog
    store.save(make_profile("de", add=2.0), folder)
    store.save(make_profile("fr"), folder)
    (folder / "ja.safetensors").unlink()
    report = await registry.reload()
    assert [label.partition("@")[0] for label in report.loaded] == ["de", "fr"]
    assert [label.partition("@")[0] for label in report.removed] == ["ja"]
    assert report.refused == ()
    assert [entry.name for entry in registry.catalog] == ["de", "fr"]
    assert [entry.name for entry in before] == ["de", "ja"]
    # Nobody uses the old ones: their room is free again.
    assert control.loaded == [entry.profile.content_hash for entry in registry.catalog]
    assert report.draining == ()
    again = await registry.reload()
    assert (again.loaded, len(again.unchanged)) == ((), 2)


async def test_a_folder_made_anew_needs_room_for_one_more(
    registry: Registry, folder: Path, control: Any, make_profile: Callable[..., Profile]
) -> None:
    control.room = 3
    for language in ("de", "ja"):
        store.save(make_profile(language, add=2.0), folder)
    before = [entry.label for entry in registry.catalog]
    report = await registry.reload()
    assert (len(report.loaded), report.refused, report.draining) == (2, (), ())
    assert control.loaded == [entry.profile.content_hash for entry in registry.catalog]
    assert {*before}.isdisjoint(entry.label for entry in registry.catalog)


async def test_what_requests_in_flight_use_leaves_the_engine_after_them(
    registry: Registry,
    folder: Path,
    control: Any,
    leases: Leases,
    old: Entry,
    make_profile: Callable[..., Profile],
) -> None:
    store.save(make_profile("de", add=2.0), folder)
    report = await registry.reload()
    assert report.draining == registry.draining == (old.label,)
    new = registry.catalog.get("de")
    assert new is not old
    assert old.profile.content_hash in control.loaded
    leases.give_back([old.profile.content_hash])
    # The engine has the last word: a row may be held for a step longer.
    control.busy.add(old.profile.content_hash)
    await asyncio.sleep(0.3)
    assert registry.draining == (old.label,)
    control.busy.clear()
    await asyncio.sleep(0.3)
    assert registry.draining == ()
    assert old.profile.content_hash not in control.loaded


async def test_a_file_that_comes_back_while_it_drains_stays(
    registry: Registry, folder: Path, control: Any, leases: Leases, old: Entry
) -> None:
    data = (folder / "de.safetensors").read_bytes()
    (folder / "de.safetensors").unlink()
    assert (await registry.reload()).draining == (old.label,)
    (folder / "de.safetensors").write_bytes(data)
    assert (await registry.reload()).draining == ()
    leases.give_back([old.profile.content_hash])
    await asyncio.sleep(0.3)
    assert old.profile.content_hash in control.loaded
    assert registry.catalog.get("de")


async def test_no_room_names_what_still_holds_it(
    registry: Registry,
    folder: Path,
    control: Any,
    old: Entry,
    make_profile: Callable[..., Profile],
) -> None:
    (folder / "de.safetensors").unlink()
    store.save(make_profile("fr"), folder)
    control.no_room = True
    (refusal,) = (await registry.reload()).refused
    assert f"still draining, with their room: {old.label}" in refusal.reason


async def test_an_engine_that_fails_to_unload_ends_nothing(
    registry: Registry, folder: Path, control: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_hash: str) -> None:
        raise RuntimeError("dead")

    old = registry.catalog.get("de")
    assert old
    registry._retired.add(old)
    monkeypatch.setattr(control, "unload", broken)
    await asyncio.sleep(0.3)
    assert registry.draining == (old.label,)


async def test_reload_keeps_the_good_version_of_a_bad_file(
    registry: Registry, folder: Path
) -> None:
    damage(folder, "de.safetensors")
    report = await registry.reload()
    assert [refusal.file for refusal in report.refused] == ["de.safetensors"]
    assert [entry.name for entry in registry.catalog] == ["de", "ja"]


@pytest.mark.parametrize("fault", ["no_room", "no_effect"])
async def test_reload_publishes_only_what_the_engine_confirmed(
    registry: Registry,
    folder: Path,
    control: Any,
    make_profile: Callable[..., Profile],
    fault: str,
) -> None:
    setattr(control, fault, True)
    store.save(make_profile("fr"), folder)
    report = await registry.reload()
    assert [refusal.file for refusal in report.refused] == ["fr.safetensors"]
    assert [entry.name for entry in registry.catalog] == ["de", "ja"]
    assert len(control.loaded) == 2


async def test_whatever_the_engine_raises_no_profile_is_left_in_it_unknown(
    registry: Registry, folder: Path, control: Any, make_profile: Callable[..., Profile]
) -> None:
    store.save(make_profile("fr"), folder)
    store.save(make_profile("de", add=2.0), folder)
    original = control.canary

    async def once(*args: Any) -> None:
        control.canary = broken
        await original(*args)

    async def broken(*_: Any) -> None:
        raise RuntimeError("the queue is full")

    control.canary = once
    with pytest.raises(RuntimeError, match="the queue is full"):
        await registry.reload()
    await asyncio.sleep(0.3)
    # The first was good and is on offer, the second is out of the engine again.
    assert [entry.name for entry in registry.catalog] == ["de", "ja"]
    assert sorted(control.loaded) == sorted(e.profile.content_hash for e in registry.catalog)


async def test_a_profile_that_a_reload_brings_back_was_not_unloaded(
    registry: Registry, leases: Leases, old: Entry
) -> None:
    waiting = asyncio.create_task(registry.unload(old, wait=5))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await registry.reload()
    assert await waiting == "reloaded"
    leases.give_back([old.profile.content_hash])
    new = registry.catalog.get("de")
    assert new
    assert await registry.unload(new, wait=5) == "unloaded"


async def test_what_the_engine_still_runs_is_in_use_too(registry: Registry, control: Any) -> None:
    """A client that left, or a background response: nobody holds a lease."""
    german = registry.catalog.get("de")
    assert german
    control.busy.add(german.profile.content_hash)
    with pytest.raises(InUseError, match="requests in flight use de@"):
        await registry.unload(german, wait=None)
    assert registry.catalog.get("de") is german
    assert await registry.unload(german, wait=0) == "draining"


async def test_reload_of_a_lost_folder_changes_nothing(registry: Registry, folder: Path) -> None:
    lose(folder)
    with pytest.raises(ProfileError, match="cannot read the profile folder"):
        await registry.reload()
    assert len(registry.catalog) == 2


async def test_endpoints(registry: Registry, folder: Path, control: Any, leases: Leases) -> None:
    app = FastAPI()
    app.include_router(admin.router(lambda: registry, lambda: control))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/v1/steering") as client:
        listed = (await client.get("/profiles")).json()
        assert listed["object"] == "list"
        german = listed["data"][0]
        assert (german["name"], german["method"]) == ("de", "test")
        assert german["edits"]["target"] == {
            "neurons": 3,
            "neurons_per_layer": {"0": 1, "1": 2},
            "offset_layers": [1],
            "memory_layers": [0],
        }
        assert (await client.get(f"/profiles/{german['id']}")).json()["id"] == german["id"]
        for name in ("nl", "de@000000000000"):
            missing = await client.get(f"/profiles/{name}")
            assert missing.status_code == 404
            assert "de@" in missing.json()["error"]["message"]
        damage(folder, "ja.safetensors")
        report = (await client.post("/profiles/reload")).json()
        assert report["refused"][0]["file"] == "ja.safetensors"
        assert (await client.get("/status")).json()["columns_taken"] == [1, 2]
        assert (await client.get("/status")).json()["memories_taken"] == 3
        held = [registry.catalog.get("de").profile.content_hash]  # type: ignore[union-attr]
        leases.take(held)
        in_use = await client.post("/profiles/de/unload")
        assert (in_use.status_code, in_use.json()["error"]["type"]) == (409, "ConflictError")
        assert "?wait=30" in in_use.json()["error"]["message"]
        assert (await client.get("/profiles/de")).status_code == 200
        waited = await client.post("/profiles/de/unload?wait=0.1")
        assert waited.json() == {
            "object": "steering.unload",
            "id": german["id"],
            "state": "draining",
        }
        assert (await client.get("/profiles/de")).status_code == 404
        assert (await client.get("/status")).json()["profiles_draining"] == [german["id"]]
        leases.give_back(held)
        gone = await client.post("/profiles/ja/unload")
        assert gone.json()["state"] == "unloaded"
        assert (await client.post("/profiles/ja/unload")).status_code == 404
        await asyncio.sleep(0.3)
        assert (await client.get("/status")).json()["profiles_draining"] == []
        assert control.loaded == []
        # The files are still there.
        damage(folder, "ja.safetensors")
        assert (await client.post("/profiles/reload")).json()["loaded"] == [german["id"]]
        lose(folder)
        assert (await client.post("/profiles/reload")).status_code == 503
