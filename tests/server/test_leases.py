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
    leases.give_back(["a", "b"])
    assert (leases.free("a"), leases.free("b")) == (False, True)
    leases.give_back(["a"])
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
