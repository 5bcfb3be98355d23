"""One profile loaded by itself, and profiles that are pinned."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from safetensors.numpy import load, save

from profiles import store
from profiles.profile import ModelIdentity, Profile
from server.registry import Registry
from tests.server.operated import operator, started


@pytest.fixture
async def registry(folder: Path, control: Any, model: ModelIdentity) -> Registry:
    return await started(folder, control, model)


@pytest.fixture
async def client(registry: Registry, control: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with operator(registry, control) as client:
        yield client


async def names(client: httpx.AsyncClient) -> dict[str, str]:
    return {each["name"]: each["id"] for each in (await client.get("/profiles")).json()["data"]}


def lose(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


async def test_one_file_is_loaded_and_no_other_is_looked_at(
    client: httpx.AsyncClient,
    folder: Path,
    control: Any,
    make_profile: Callable[..., Profile],
) -> None:
    before = await names(client)
    store.save(make_profile("fr"), folder)
    (folder / "ja.safetensors").unlink()
    (folder / "es.safetensors").write_bytes(b"junk")
    answer = await client.post("/profiles/fr/load")
    assert answer.json()["state"] == "loaded"
    assert answer.json()["id"].startswith("fr@")
    assert {**await names(client)} == {**before, "fr": answer.json()["id"]}
    assert (await client.post("/profiles/fr/load")).json()["state"] == "unchanged"
    store.save(make_profile("de", add=2.0), folder)
    assert (await client.post("/profiles/de/load")).json()["state"] == "replaced"
    assert (await names(client))["de"] != before["de"]
    # The old version gave its room back.
    assert len(control.loaded) == 3


async def test_what_cannot_be_loaded_is_an_error_and_changes_nothing(
    client: httpx.AsyncClient,
    folder: Path,
    control: Any,
    make_profile: Callable[..., Profile],
) -> None:
    before = await names(client)
    (folder / "es.safetensors").write_bytes(b"junk")
    bad = await client.post("/profiles/es/load")
    assert (bad.status_code, "not a safetensors file" in bad.text) == (422, True)
    missing = await client.post("/profiles/nl/load")
    assert (missing.status_code, missing.json()["error"]["param"]) == (404, "name")
    store.save(make_profile("fr"), folder)
    for fault, words in (("no_room", "no room"), ("no_effect", "by only 0")):
        setattr(control, fault, True)
        answer = await client.post("/profiles/fr/load")
        assert (answer.status_code, words in answer.text) == (503, True)
        setattr(control, fault, False)
    assert await names(client) == before
    lose(folder)
    assert (await client.post("/profiles/de/load")).status_code == 503


@pytest.mark.parametrize(
    "name", ["..%2Fout", "../out", "%2E%2E%2Fout", "sub%2Ffr", "..", "*", "fr.safetensors", "%00"]
)
async def test_a_name_is_never_a_path(
    client: httpx.AsyncClient, folder: Path, name: str, make_profile: Callable[..., Profile]
) -> None:
    (folder / "sub").mkdir()
    store.save(make_profile("fr"), folder / "sub")
    (folder.parent / "out.safetensors").write_bytes(store.dumps(make_profile("fr")))
    before = await names(client)
    answer = await client.post(f"/profiles/{name}/load")
    assert answer.status_code in {404, 405}
    assert await names(client) == before


async def test_a_pinned_profile_stays_as_it_is(
    client: httpx.AsyncClient, folder: Path, make_profile: Callable[..., Profile]
) -> None:
    before = await names(client)
    pinned = await client.post(f"/profiles/{before['de']}/pin")
    assert pinned.json() == {"object": "steering.pin", "id": before["de"], "pinned": True}
    assert (await client.post("/profiles/ja/pin")).status_code == 200
    assert (await client.get("/profiles/ja")).json()["pinned"] is True
    store.save(make_profile("de", add=2.0), folder)
    (folder / "ja.safetensors").unlink()
    report = (await client.post("/profiles/reload")).json()
    assert sorted(report["pinned"]) == sorted(before.values())
    assert (report["loaded"], report["removed"], report["refused"]) == ([], [], [])
    assert sorted(report["unchanged"]) == sorted(before.values())
    for action in ("unload", "unload?wait=1", "load"):
        answer = await client.post(f"/profiles/de/{action}")
        assert answer.status_code == 409
        assert answer.json()["error"]["message"] == f"{before['de']} is pinned: unpin it first"
    assert await names(client) == before
    for name in ("de", "de", "ja"):
        assert (await client.post(f"/profiles/{name}/unpin")).json()["pinned"] is False
    report = (await client.post("/profiles/reload")).json()
    assert (report["pinned"], report["removed"]) == ([], [before["ja"]])
    assert report["loaded"][0].startswith("de@")


async def test_a_pin_on_an_unchanged_or_a_bad_file_is_no_news(
    client: httpx.AsyncClient, folder: Path
) -> None:
    await client.post("/profiles/de/pin")
    assert (await client.post("/profiles/de/load")).json()["state"] == "unchanged"
    assert (await client.post("/profiles/reload")).json()["pinned"] == []
    (folder / "de.safetensors").write_bytes(b"junk")
    report = (await client.post("/profiles/reload")).json()
    assert (report["pinned"], len(report["refused"])) == ([], 1)
    assert (await client.post("/profiles/nl/pin")).status_code == 404


def calibrated(profile: Profile, provenance: dict[str, Any]) -> bytes:
    """The profile's file with other provenance."""
    data = store.dumps(profile)
    length = int.from_bytes(data[:8], "little")
    meta = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["langsteer"])
    meta["provenance"] = provenance
    return bytes(save(load(data), metadata={"langsteer": json.dumps(meta)}))


def nested(depth: int) -> list[Any]:
    """A list in a list in a list."""
    out: list[Any] = []
    for _ in range(depth):
        out = [out]
    return out


POINT = {
    "strength": 1.0,
    "phase": "all",
    "success": 0.9,
    "by_context": {"turn": 1.0},
    "perplexity": 1.1,
    "repetition": 0.0,
    "bits_per_byte": None,
    "samples": 24,
}


async def test_inspecting_shows_layers_frontier_and_origin(
    client: httpx.AsyncClient, folder: Path, make_profile: Callable[..., Profile]
) -> None:
    provenance = {
        "method": "learned",
        "parameters": {"seed": 3},
        "corpus": {"source": "starter", "languages": ["de", "en"], "sha256": "0" * 64},
        "learning": {
            "target": {
                "calibration": {
                    "points": [POINT, {**POINT, "strength": 2.0}],
                    "recommended": 1,
                    "phase": "decode",
                }
            }
        },
    }
    data = calibrated(make_profile("de", add=3.0), provenance)
    (folder / "de.safetensors").write_bytes(data)
    await client.post("/profiles/de/load")
    found = (await client.get("/profiles/de")).json()
    towards, away = found["edits"]["target"], found["edits"]["suppress"]
    assert (towards["neurons_per_layer"], towards["memory_norms"]) == ({"0": 1, "1": 2}, [2.0])
    assert [point["strength"] for point in towards["frontier"]] == [1.0, 2.0]
    assert (towards["recommended"]["strength"], towards["recommended"]["advised_phase"]) == (
        2.0,
        "decode",
    )
    assert (away["recommended"], away["frontier"]) == (None, [])
    assert found["provenance"] == {
        "corpus": "starter",
        "corpus_sha256": "0" * 64,
        "languages": ["de", "en"],
        "sentences": None,
        "tokens": None,
        "seed": 3,
    }


@pytest.mark.parametrize(
    "provenance",
    [
        {"method": 7, "corpus": [], "parameters": 1, "learning": []},
        {"method": "\ud800", "corpus": {"source": "\ud800", "languages": [1]}, "learning": {}},
        {"learning": {"target": {"calibration": {"points": 3, "recommended": 0}}}},
        {"learning": {"target": {"calibration": {"points": [POINT], "recommended": 9}}}},
        {"learning": {"target": {"calibration": {"points": [{**POINT, "success": float("nan")}]}}}},
        {"learning": {"target": {"calibration": {"points": [1], "recommended": True}}}},
        {"corpus": {"languages": nested(400)}, "learning": {"target": nested(400)}},
        {"corpus": {"tokens": 10**400, "sentences": 0.5}, "parameters": {"seed": "x"}},
    ],
)
async def test_whatever_a_file_tells_of_itself_it_can_be_shown(
    client: httpx.AsyncClient,
    folder: Path,
    make_profile: Callable[..., Profile],
    provenance: dict[str, Any],
) -> None:
    (folder / "de.safetensors").write_bytes(calibrated(make_profile("de", add=3.0), provenance))
    assert (await client.post("/profiles/de/load")).json()["state"] == "replaced"
    assert (await client.get("/profiles")).status_code == 200
    found = await client.get("/profiles/de")
    assert found.status_code == 200
    assert found.json()["edits"]["target"]["recommended"] is None


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("starter", "starter"),
        ("org/dataset", "org/dataset"),
        ("/srv/customers/acme/text/", "text"),
        ("./text.jsonl", "text.jsonl"),
        ("C:\\Users\\somebody\\text", "text"),
    ],
)
async def test_where_a_corpus_lay_on_its_makers_disk_is_nobodys_business(
    client: httpx.AsyncClient,
    folder: Path,
    make_profile: Callable[..., Profile],
    source: str,
    told: str,
) -> None:
    data = calibrated(make_profile("de", add=3.0), {"corpus": {"source": source}})
    (folder / "de.safetensors").write_bytes(data)
    await client.post("/profiles/de/load")
    answer = await client.get("/profiles/de")
    assert answer.json()["provenance"]["corpus"] == told
    assert "customers" not in answer.text
