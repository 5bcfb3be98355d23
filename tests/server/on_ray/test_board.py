"""The board and its replicas, without Ray: an update reaches all of them or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from profiles import store
from profiles.errors import ProfileError
from profiles.profile import ModelIdentity, Profile
from server import admin
from server.leases import Leases
from server.on_ray import board as board_module
from server.on_ray.board import Board
from server.on_ray.member import Member
from server.on_ray.order import Answer, digest
from server.on_ray.update import status, told
from server.registry import Registry
from server.scan import scan
from tests.server.conftest import FakeControl

Made = Callable[..., Profile]


class Server:
    """A replica: a real registry on a pretended engine, behind real endpoints, and its member."""

    def __init__(self, name: str, board: Board, folder: Path, model: ModelIdentity) -> None:
        self.name, self.folder = name, folder
        self.control = FakeControl()
        self._board, self._model = board, model

    async def start(self) -> None:
        files = await self._board.current()
        self.folder.mkdir()
        for name, data in files.items():
            (self.folder / name).write_bytes(data)
        self.registry = Registry(
            partial(scan, self.folder, self._model), self.control, Leases(), 8.0
        )
        await self.registry.start()
        app = FastAPI()
        app.include_router(admin.router(lambda: self.registry, lambda: self.control))
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://replica"
        )
        self.member = Member(self.name, self._board, self.folder, files, self.client)
        await self.member.enter()
        self.task = asyncio.create_task(self.member.follow())

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        await self.client.aclose()

    @property
    def offers(self) -> dict[str, str]:
        return {entry.name: entry.profile.version for entry in self.registry.catalog}


@pytest.fixture
def board(folder: Path) -> Board:
    return Board(folder, patience=5)


@pytest.fixture
async def servers(
    board: Board, tmp_path_factory: pytest.TempPathFactory, model: ModelIdentity
) -> AsyncIterator[list[Server]]:
    root = tmp_path_factory.mktemp("replicas")
    made = [Server(name, board, root / name, model) for name in ("a", "b")]
    for each in made:
        await each.start()
    yield made
    for each in made:
        await each.stop()


async def test_all_change_and_say_so(
    board: Board, servers: list[Server], folder: Path, make_profile: Made
) -> None:
    before = servers[0].offers
    new = make_profile("de", add=2.0)
    store.save(new, folder)
    store.save(make_profile("fr"), folder)
    (folder / "ja.safetensors").unlink()
    report = await board.update()
    assert (report["state"], report["errors"], report["silent"]) == ("updated", {}, [])
    assert report["loaded"] == ["de.safetensors", "fr.safetensors"]
    assert report["removed"] == ["ja.safetensors"]
    assert report["replicas"] == ["a", "b"]
    assert servers[0].offers == servers[1].offers
    assert servers[0].offers.keys() == {"de", "fr"}
    assert servers[0].offers["de"] == new.version != before["de"]
    # The proofs were before, not between: one a new profile, beside the two of the start.
    assert [len(each.control.probed) for each in servers] == [4, 4]
    assert (await board.update())["state"] == "unchanged"
    assert f"Set {report['to']} is on offer in 2 replicas" in "\n".join(told(report))
    assert report["to"] in "\n".join(status(await board.status()))


@pytest.mark.parametrize("fault", ["no_room", "no_effect"])
async def test_what_one_cannot_load_no_other_offers(
    board: Board, servers: list[Server], folder: Path, make_profile: Made, fault: str
) -> None:
    before = servers[0].offers
    store.save(make_profile("de", add=2.0), folder)
    store.save(make_profile("fr"), folder)
    setattr(servers[1].control, fault, True)
    report = await board.update()
    assert report["state"] == "refused"
    assert report["errors"].keys() == {"b"}
    assert [each.offers for each in servers] == [before, before]
    assert [each.registry.staged for each in servers] == [(), ()]
    assert "as before" in told(report)[0]
    # Nothing is left behind, and when it can be done, it is.
    setattr(servers[1].control, fault, False)
    assert (await board.update())["state"] == "updated"
    assert servers[0].offers == servers[1].offers
    assert servers[0].offers.keys() == {"de", "fr", "ja"}


async def test_a_bad_file_is_seen_before_any_replica_hears_of_it(
    board: Board, servers: list[Server], folder: Path
) -> None:
    (folder / "es.safetensors").write_bytes(b"junk")
    report = await board.update()
    assert report["state"] == "refused"
    assert "es.safetensors" in report["errors"]["board"]
    (folder / "es.safetensors").unlink()
    assert (await board.update())["state"] == "unchanged"


async def test_who_starts_meanwhile_gets_what_is_in_force(
    board: Board, servers: list[Server], folder: Path, make_profile: Made, model: ModelIdentity
) -> None:
    late = Server("late", board, folder.parent / "late", model)
    old = await board.current()
    store.save(make_profile("de", add=2.0), folder)
    await board.update()
    # As it would be, had it read the files before the update and started for minutes.
    board_now, board.current = board.current, lambda: asyncio.sleep(0, old)  # type: ignore[method-assign]
    await late.start()
    board.current = board_now  # type: ignore[method-assign]
    assert late.offers == servers[0].offers
    assert (await board.status())["replicas"][2]["name"] == "late"
    await late.stop()


async def test_a_silent_replica_stops_an_update_and_is_forgotten(
    board: Board, servers: list[Server], folder: Path, make_profile: Made
) -> None:
    before = servers[0].offers
    board._patience = 0.3
    servers[1].task.cancel()
    store.save(make_profile("de", add=2.0), folder)
    report = await board.update()
    assert (report["state"], report["silent"]) == ("refused", ["b"])
    assert servers[0].offers == before
    assert "b did not answer in time." in told(report)
    assert (await board.update())["state"] == "updated"
    # It comes back, and is brought into step.
    servers[1].task = asyncio.create_task(servers[1].member.follow())
    for _ in range(100):
        await asyncio.sleep(0.02)
        if servers[1].offers == servers[0].offers:
            break
    assert servers[1].offers == servers[0].offers != before
    assert not servers[1].member.trouble


async def test_a_replica_that_cannot_be_brought_into_step_says_so(
    board: Board, servers: list[Server], folder: Path, make_profile: Made, monkeypatch: Any
) -> None:
    servers[1].task.cancel()
    board._forget("b")
    servers[1].control.no_room = True
    store.save(make_profile("de", add=2.0), folder)
    assert (await board.update())["replicas"] == ["a"]
    servers[1].task = asyncio.create_task(servers[1].member.follow())
    for _ in range(100):
        await asyncio.sleep(0.02)
        if servers[1].member.trouble:
            break
    assert "no room" in servers[1].member.trouble


async def test_an_order_is_given_again_until_it_is_answered(
    board: Board, folder: Path, make_profile: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_module, "_POLL", 0.05)
    assert (await board.order("x")).kind == "enter"
    assert await board.enter("x", "other") == await board.current()
    assert await board.enter("x", digest(await board.current())) is None
    assert (await board.order("x")).kind == "wait"
    store.save(make_profile("de", add=2.0), folder)
    update = asyncio.create_task(board.update())
    first = await board.order("x")
    assert first.kind == "stage"
    # Its question was lost on the way, or its answer; an older order's answer means nothing.
    assert await board.order("x") == first
    assert await board.order("x", Answer(number=first.number - 1)) == first
    offer = await board.order("x", Answer(number=first.number))
    assert offer.kind == "offer"
    await board.order("x", Answer(number=offer.number))
    assert (await update)["state"] == "updated"
    assert (await board.order("x")).kind == "wait"


async def test_a_replica_that_died_is_forgotten(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    await board.enter("x", digest(await board.current()))
    assert [each["name"] for each in (await board.status())["replicas"]] == ["x"]
    monkeypatch.setattr(board_module, "_FORGOTTEN", 0.0)
    await asyncio.sleep(0.01)
    assert (await board.status())["replicas"] == []


async def test_another_folder_is_adopted(
    board: Board,
    servers: list[Server],
    tmp_path_factory: pytest.TempPathFactory,
    make_profile: Made,
) -> None:
    other = tmp_path_factory.mktemp("other")
    store.save(make_profile("fr"), other)
    assert (await board.adopt(other, 5.0))["state"] == "updated"
    assert [[*each.offers] for each in servers] == [["fr"], ["fr"]]
    empty = Board(other)
    nothing = tmp_path_factory.mktemp("nothing")
    with pytest.raises(ProfileError, match="no profile files"):
        await empty.adopt(nothing, 5.0)
    assert (await board.adopt(nothing, 5.0))["state"] == "refused"


def test_a_board_needs_good_files(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="no profile files"):
        Board(tmp_path)
    with pytest.raises(ProfileError, match="cannot read the profile folder"):
        Board(tmp_path / "none")
    (tmp_path / "de.safetensors").write_bytes(b"junk")
    with pytest.raises(ProfileError, match=r"de\.safetensors"):
        Board(tmp_path)
