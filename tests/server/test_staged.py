"""Profiles that are loaded and proven first, and put on offer later."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from profiles import store
from profiles.profile import ModelIdentity, Profile
from server.registry import Registry
from tests.server.operated import operator, started

Made = Callable[..., Profile]
STAGE = "/profiles/de/load?offer=false"


@pytest.fixture
async def registry(folder: Path, control: Any, model: ModelIdentity) -> Registry:
    return await started(folder, control, model)


@pytest.fixture
async def client(registry: Registry, control: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with operator(registry, control) as client:
        yield client


async def offered(client: httpx.AsyncClient) -> dict[str, str]:
    return {each["name"]: each["id"] for each in (await client.get("/profiles")).json()["data"]}


async def staged(client: httpx.AsyncClient) -> list[str]:
    return (await client.get("/status")).json()["profiles_staged"]  # type: ignore[no-any-return]


@pytest.fixture
async def new(client: httpx.AsyncClient, folder: Path, make_profile: Made) -> str:
    """Another German profile, staged; its label."""
    store.save(make_profile("de", add=2.0), folder)
    answer = (await client.post(STAGE)).json()
    assert answer["state"] == "staged"
    return str(answer["id"])


async def test_staging_offers_nothing_and_the_next_load_loads_nothing(
    client: httpx.AsyncClient, new: str, control: Any
) -> None:
    before = await offered(client)
    assert before["de"] != new
    assert await staged(client) == [new]
    loaded, proofs = [*control.loaded], len(control.probed)
    assert len(loaded) == 3
    assert (await client.post(STAGE)).json() == {
        "object": "steering.load",
        "id": new,
        "state": "staged",
    }
    answer = await client.post("/profiles/de/load")
    assert answer.json() == {"object": "steering.load", "id": new, "state": "replaced"}
    assert await offered(client) == {**before, "de": new}
    assert (await staged(client), len(control.probed)) == ([], proofs)
    # The old version left, and nothing was loaded twice.
    assert len(control.loaded) == 2
    assert {*control.loaded} < {*loaded}


async def test_a_new_name_is_staged_too(
    client: httpx.AsyncClient, folder: Path, make_profile: Made
) -> None:
    store.save(make_profile("fr"), folder)
    first = (await client.post("/profiles/fr/load?offer=false")).json()
    assert "fr" not in await offered(client)
    answer = (await client.post("/profiles/fr/load")).json()
    assert (answer["id"], answer["state"]) == (first["id"], "loaded")


async def test_a_reload_offers_what_is_staged(
    client: httpx.AsyncClient, new: str, control: Any
) -> None:
    report = (await client.post("/profiles/reload")).json()
    assert report["loaded"] == [new]
    assert (await staged(client), len(control.loaded)) == ([], 2)


@pytest.mark.parametrize("how", ["/profiles/reload", "/profiles/de/load", STAGE])
async def test_a_file_that_is_as_it_was_drops_what_was_staged(
    client: httpx.AsyncClient, new: str, folder: Path, make_profile: Made, control: Any, how: str
) -> None:
    store.save(make_profile("de"), folder)
    assert (await client.post(how)).status_code == 200
    assert await staged(client) == []
    # It goes as every profile that nobody needs goes, at the latest with the next change.
    await client.post("/profiles/reload")
    assert len(control.loaded) == 2
    assert (await offered(client))["de"] != new


async def test_another_file_takes_the_place(
    client: httpx.AsyncClient, new: str, folder: Path, make_profile: Made, control: Any
) -> None:
    store.save(make_profile("de", add=3.0), folder)
    third = (await client.post(STAGE)).json()["id"]
    assert await staged(client) == [third]
    assert third != new
    assert len(control.loaded) == 3
    (folder / "ja.safetensors").unlink()
    assert (await client.post("/profiles/ja/load?offer=false")).status_code == 404
    assert await staged(client) == [third]


async def test_what_the_engine_refuses_is_not_staged(
    client: httpx.AsyncClient, folder: Path, make_profile: Made, control: Any
) -> None:
    before = await offered(client)
    store.save(make_profile("de", add=2.0), folder)
    for fault in ("no_room", "no_effect"):
        setattr(control, fault, True)
        assert (await client.post(STAGE)).status_code == 503
        setattr(control, fault, False)
        assert (await staged(client), await offered(client)) == ([], before)
    assert len(control.loaded) == 2
    assert (await client.post("/profiles/de/load?offer=maybe")).status_code == 400


async def test_a_pinned_profile_has_no_successor(
    client: httpx.AsyncClient, folder: Path, make_profile: Made
) -> None:
    await client.post("/profiles/de/pin")
    store.save(make_profile("de", add=2.0), folder)
    assert (await client.post(STAGE)).status_code == 409
    assert await staged(client) == []


async def test_what_is_pinned_after_staging_waits(client: httpx.AsyncClient, new: str) -> None:
    before = await offered(client)
    await client.post("/profiles/de/pin")
    assert (await client.post("/profiles/de/load")).status_code == 409
    assert await offered(client) == before
    await client.post("/profiles/de/unpin")
    assert (await client.post("/profiles/de/load")).json()["state"] == "replaced"
    assert (await offered(client))["de"] == new


async def test_what_drains_can_be_staged_again(
    client: httpx.AsyncClient, new: str, folder: Path, make_profile: Made, control: Any
) -> None:
    old = (await offered(client))["de"]
    control.busy = {*control.loaded}
    await client.post("/profiles/de/load")
    assert (await client.get("/status")).json()["profiles_draining"] == [old]
    store.save(make_profile("de"), folder)
    assert (await client.post(STAGE)).json()["id"] == old
    assert (await client.get("/status")).json()["profiles_draining"] == []
    assert await staged(client) == [old]
    control.busy = set()
    assert (await client.post("/profiles/de/load")).json()["state"] == "replaced"
    assert (await offered(client))["de"] == old
