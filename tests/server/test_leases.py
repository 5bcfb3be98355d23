from __future__ import annotations

import asyncio
import json
from typing import Any

from server.catalog import Catalog
from server.leases import Leases


def test_a_profile_is_free_when_its_last_request_has_ended() -> None:
    leases = Leases()
    assert leases.free("a")
    leases.take(["a", "b"])
    leases.take(["a"])
    leases.give_back(["a", "b"], complete=True)
    assert (leases.free("a"), leases.free("b")) == (False, True)
    leases.give_back(["a"], complete=True)
    assert leases.free("a")


def test_a_request_that_broke_off_counts_until_the_engine_is_rid_of_it() -> None:
    alive = {"1", "2"}
    leases = Leases(lambda: alive)
    leases.take(["a"])
    leases.give_back(["a"], complete=False)
    assert (leases.free("a"), leases.free("b")) == (False, True)
    # Which of the two was its own is not known; who came later is not.
    alive.add("3")
    alive.discard("1")
    assert not leases.free("a")
    alive.discard("2")
    assert leases.free("a")
    alive.add("2")
    assert leases.free("a")


async def test_a_steered_request_holds_its_profiles(stack: Any, catalog: Catalog) -> None:
    german, chinese = catalog.get("de"), catalog.get("zh")
    assert german
    assert chinese
    stack.upstream.wait = asyncio.Event()
    body = {"steering": {"target": "de", "suppress": ["zh"]}}
    running = asyncio.create_task(stack.raw(json.dumps(body).encode()))
    await asyncio.sleep(0.05)
    assert stack.upstream.calls == 1
    hashes = [entry.profile.content_hash for entry in (german, chinese)]
    assert [stack.leases.free(each) for each in hashes] == [False, False]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [stack.leases.free(each) for each in hashes] == [True, True]


async def test_a_request_without_steering_holds_nothing(stack: Any) -> None:
    await stack.raw(b'{"prompt": "x"}')
    assert stack.leases._held == {}
