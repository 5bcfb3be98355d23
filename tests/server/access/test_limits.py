from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits.aio.storage import MemoryStorage

from server.access.client import Client
from server.access.document import Limits
from server.access.load import load
from server.access.occupancy import Occupancy
from server.errors import ApiError
from server.keyring import hash_key
from tests.server.access.conftest import ACME, KEYS, OPERATOR, Door, until

TIGHT = f"""{KEYS}
  - name: large
    hashes: ["{hash_key("large")}"]
    limits: {{requests_per_minute: 4, concurrent: 3}}
limits: {{requests_per_minute: 2, concurrent: 1}}
"""
FORWARD = Callable[[float], None]


async def stream(scope: Any, receive: Any, send: Any) -> None:
    """Begins an answer, and goes on until the client leaves, as vLLM does."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


async def test_so_many_a_minute_and_what_is_left_is_told(clock: FORWARD) -> None:
    door = Door(TIGHT)
    for left in ("1", "0"):
        call = await door.ask(key=ACME)
        assert call.headers["x-ratelimit-limit-requests"] == "2"
        assert call.headers["x-ratelimit-remaining-requests"] == left
    call = await door.ask(key=ACME)
    assert (call.status, call.error["type"]) == (429, "rate_limit_exceeded")
    assert call.headers["retry-after"] == "60"
    assert call.headers["x-ratelimit-limit-requests"] == "2"
    assert call.headers["x-ratelimit-remaining-requests"] == "0"
    assert call.read == 0
    assert (door.calls, door.refusals("rate_limit"), door.in_flight) == (2, 1, 0)


async def test_the_minute_slides_and_what_was_refused_does_not_count(clock: FORWARD) -> None:
    door = Door(TIGHT)
    for _ in range(2):
        await door.ask(key=ACME)
    clock(59)
    for _ in range(5):
        call = await door.ask(key=ACME)
        assert call.status == 429
    wait = int(call.headers["retry-after"])
    clock(wait)
    assert (await door.ask(key=ACME)).status == 200
    # Not two at once: the last minute still counts.
    assert (await door.ask(key=ACME)).status == 429
    clock(120)
    assert [(await door.ask(key=ACME)).status for _ in range(3)] == [200, 200, 429]


async def test_who_waits_as_long_as_it_is_told_gets_in(clock: FORWARD) -> None:
    door = Door("limits: {requests_per_minute: 7}")
    clock(13)
    for _ in range(40):
        call = await door.ask()
        if call.status == 429:
            clock(int(call.headers["retry-after"]))
            assert (await door.ask()).status == 200


async def test_addresses_that_are_gone_are_forgotten(
    clock: FORWARD, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.access.rate._CLEARING", 0)
    door = Door("limits: {requests_per_minute: 9}")
    for i in range(50):
        await door.ask(host=f"10.0.0.{i}")
    storage = door.layer._rate._limiter.storage
    assert isinstance(storage, MemoryStorage)
    assert len(storage.storage) == 50
    clock(200)
    await door.ask()
    await asyncio.sleep(0.01)
    assert len(storage.storage) == 1
    assert not door.layer._occupancy._of


async def test_the_storage_does_not_clear_up_at_each_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cleared: list[bool] = []

    async def counted(self: MemoryStorage) -> None:
        cleared.append(True)

    monkeypatch.setattr(MemoryStorage, "_MemoryStorage__expire_events", counted)
    door = Door("limits: {requests_per_minute: 99}")
    for _ in range(9):
        await door.ask()
        await asyncio.sleep(0)
    assert cleared == [True]


async def test_each_key_has_its_own_and_may_have_more(clock: FORWARD) -> None:
    door = Door(TIGHT)
    for key, allowed in ((ACME, 2), ("large", 4), (OPERATOR, 2)):
        statuses = [(await door.ask(key=key)).status for _ in range(allowed + 1)]
        assert statuses == [200] * allowed + [429]
    # Two keys of one entry are one client.
    assert (await door.ask(key="acme-new")).status == 429


async def test_operating_and_health_are_not_counted(clock: FORWARD) -> None:
    door = Door(TIGHT + "server: {concurrent: 1}", stream)
    held = door.call(key="large")
    task = asyncio.create_task(held.run())
    await until(lambda: len(held.sent) == 2)
    assert (await door.ask(key="large")).status == 503
    for path, key in (("/v1/steering/access/reload", OPERATOR), ("/health", None)):
        for _ in range(3):
            call = door.call(path, key)
            call.left.set()
            assert (await call.run()).status == 200
            assert "x-ratelimit-limit-requests" not in call.headers
    held.left.set()
    await task


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("2001:db8::1", "2001:db8::2:0:0:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("testclient", "other", False),
    ],
)
async def test_without_keys_each_address_is_a_client(
    first: str, second: str, same: bool, clock: FORWARD
) -> None:
    door = Door("limits: {requests_per_minute: 1}")
    assert (await door.ask(host=first)).status == 200
    assert (await door.ask(host=second)).status == (429 if same else 200)
    assert (await door.ask(client=None)).status == 200


async def test_a_stream_counts_until_its_client_leaves() -> None:
    door = Door(KEYS + "limits: {concurrent: 1}", stream)
    for _ in range(3):
        held = door.call(key=ACME)
        task = asyncio.create_task(held.run())
        await until(lambda: len(held.sent) == 2)  # noqa: B023
        call = await door.ask(key=ACME)
        assert (call.status, call.error["type"]) == (429, "rate_limit_exceeded")
        assert call.headers["retry-after"] == "1"
        assert door.in_flight == 1
        held.left.set()
        await task
        assert door.in_flight == 0
    assert door.refusals("concurrency") == 3


async def test_nothing_leaks_whatever_becomes_of_a_request() -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("as applications do")

    async def closed(scope: Any, receive: Any, send: Any) -> None:
        raise OSError("the client is gone")

    door = Door(TIGHT.replace("requests_per_minute: 2", "requests_per_minute: 99"), fail)
    with pytest.raises(RuntimeError, match="as applications do"):
        await door.ask(key=ACME)
    door.behind = closed
    with pytest.raises(OSError, match="gone"):
        await door.ask(key=ACME)
    door.behind = stream
    held = door.call(key=ACME)
    task = asyncio.create_task(held.run())
    await until(lambda: len(held.sent) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert door.in_flight == 0
    assert not door.layer._occupancy._of


async def test_the_server_takes_so_many_altogether() -> None:
    door = Door(KEYS + "server: {concurrent: 2}", stream)
    calls = [door.call(key=key) for key in (ACME, OPERATOR)]
    tasks = [asyncio.create_task(call.run()) for call in calls]
    await until(lambda: all(len(call.sent) == 2 for call in calls))
    call = await door.ask(key=ACME)
    assert (call.status, call.error["type"]) == (503, "ServiceUnavailableError")
    assert call.headers["retry-after"] == "1"
    assert (await door.ask()).status == 401
    for held in calls:
        held.left.set()
    await asyncio.gather(*tasks)
    assert (door.in_flight, door.refusals("server_full")) == (0, 1)


async def test_a_limit_that_comes_with_a_reload_finds_those_under_way() -> None:
    door = Door(KEYS, stream)
    held = door.call(key=ACME)
    task = asyncio.create_task(held.run())
    await until(lambda: len(held.sent) == 2)
    door.rules = load((KEYS + "limits: {concurrent: 1}").encode())
    assert (await door.ask(key=ACME)).status == 429
    held.left.set()
    await task
    assert door.in_flight == 0


NAMES = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.tuples(st.booleans(), NAMES)), st.integers(1, 3), st.integers(1, 5))
def test_never_more_than_allowed_and_none_is_lost(
    steps: list[tuple[bool, str]], own: int, total: int
) -> None:
    occupancy = Occupancy()
    running: Counter[str] = Counter()
    for begins, name in steps:
        client = Client(name=name, admin=False, limits=Limits(concurrent=own))
        if begins:
            room = running.total() < total and running[name] < own
            try:
                occupancy.take(client, total)
                assert room
                running[name] += 1
            except ApiError:
                assert not room
        elif running[name]:
            occupancy.release(client)
            running[name] -= 1
        assert occupancy.total == running.total()
        assert occupancy.of(client) == running[name]
