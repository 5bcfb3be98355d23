"""The API server's line to the workers, with engines that answer from memory."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from profiles import store
from steering.batch import Batch
from steering.capacity import Capacity
from steering.engine import control as module
from steering.engine.canary import Canary
from steering.engine.control import EngineControl, WorkerExtension
from steering.errors import EngineError
from steering.request import SteeringRequest
from steering.tables import Tables
from steering.tokens import Tokens

ARMED = {
    "armed": True,
    "profiles": [],
    "rows": 9,
    "rows_in_use": 1,
    "rows_cached": 2,
    "edited_tokens": 10,
    "columns": [16, 16],
    "columns_taken": [1, 2],
    "memories": 16,
    "memories_taken": 3,
    "keys": True,
    "no_reasoning": "",
}


class Worker:
    """One rank: loads anything but what it was told not to."""

    def __init__(self, *, refuses: str = "", uses: str = "", **facts: Any) -> None:
        self.uses = uses
        self.facts = {**ARMED, "profiles": [], **facts}
        self.refuses = refuses

    def langsteer_facts(self) -> dict[str, Any]:
        return {**self.facts, "profiles": list(self.facts["profiles"])}

    def langsteer_load(self, data: bytes) -> dict[str, Any]:
        if data.decode() == self.refuses:
            return {"error": f"no room for {self.refuses}"}
        self.facts["profiles"].append(data.decode())
        return {"hash": data.decode(), "roles": ["target"]}

    def langsteer_in_use(self, content_hash: str) -> dict[str, Any]:
        return {"error": "in use"} if content_hash == self.uses else {}

    def langsteer_unload(self, content_hash: str) -> dict[str, Any]:
        if content_hash in self.facts["profiles"]:
            self.facts["profiles"].remove(content_hash)
        return {"hash": content_hash}


def control(*engines: list[Worker]) -> EngineControl:
    async def call(method: str, name: str, limit: Any, args: Any, kwargs: Any) -> Any:
        assert (method, limit, kwargs) == ("collective_rpc", None, None)
        return [[getattr(worker, name)(*args) for worker in ranks] for ranks in engines]

    async def is_sleeping() -> bool:
        return False

    return EngineControl(
        SimpleNamespace(
            is_sleeping=is_sleeping,
            errored=False,
            engine_core=SimpleNamespace(call_utility_all_async=call),
        )
    )


async def test_an_engine_that_dies_before_it_answers_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_LOOKS", 0.01)
    asked: list[str] = []

    async def never(*question: Any) -> Any:
        asked.append("asked")
        try:
            await asyncio.Event().wait()
        finally:
            asked.append("given up")

    client = SimpleNamespace(
        errored=False,
        is_sleeping=never,
        engine_core=SimpleNamespace(call_utility_all_async=never),
    )
    engine = EngineControl(client)
    for question in (engine.facts(), engine.load(b"de"), engine.in_use("de")):
        asked.clear()
        client.errored = False
        waiting = asyncio.ensure_future(question)
        await asyncio.sleep(0.05)
        assert not waiting.done()  # alive, however long it takes
        client.errored = True
        with pytest.raises(EngineError, match="has died"):
            await asyncio.wait_for(waiting, 5)
        await asyncio.sleep(0)
        assert asked == ["asked", "given up"]


async def test_a_worker_gives_an_unloaded_profiles_row_and_place_to_the_next(
    make_edit: Any, make_profile: Any
) -> None:
    capacity = Capacity(
        columns=(0, 0, 0), memories=1, keys=True, hidden_size=4, intermediate_size=32
    )
    batch = Batch(Tables(capacity, layers=[0, 1, 2], shard=(0, 32), rows=2), Tokens(8))
    worker: Any = WorkerExtension()
    worker.model_runner = SimpleNamespace(get_model=lambda: SimpleNamespace(langsteer_batch=batch))
    engine = control([worker])
    de = make_profile("de", make_edit(offsets={0: 1.0}))
    ja = make_profile("ja", make_edit(memories={1: (3.0, -0.5, 2.0)}))
    target = await engine.load(store.dumps(de))
    batch.add("a", SteeringRequest(target=target).to_extra_args())
    facts = await engine.facts()
    assert (facts.memories, facts.memories_taken, facts.keys) == (1, 1, True)
    with pytest.raises(EngineError, match=r"ja@.* needs 1 memories a layer and 0 of 1 are free"):
        await engine.load(store.dumps(ja))
    with pytest.raises(EngineError, match="use"):
        await engine.unload(target)
    batch.remove("a")
    await engine.unload(target)
    assert (await engine.facts()).memories_taken == 0
    bank = batch.tables.bank
    assert (batch.slots.cached, bank.on[1].item()) == (0, 1.0)  # nobody's row until it is written
    batch.add("b", SteeringRequest(target=await engine.load(store.dumps(ja))).to_extra_args())
    assert batch.slots.row("b") == 1
    assert not bank.layers[0].value.any()
    assert bank.layers[1].value.tolist() == [[2.0] * 4]


def test_engines_are_summed_up_and_ranks_are_not() -> None:
    facts = asyncio.run(control([Worker(), Worker()], [Worker(edited_tokens=5), Worker()]).facts())
    assert (facts.engines, facts.workers) == (2, 4)
    assert (facts.rows, facts.rows_in_use, facts.rows_cached) == (18, 2, 4)
    assert facts.edited_tokens == 15
    assert facts.columns_taken == (1, 2)
    assert (facts.memories, facts.memories_taken, facts.keys) == (16, 3, True)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Worker(profiles=["a"]), "disagree about the loaded profiles"),
        (Worker(columns=[16, 32]), "room for different profiles; start every node with the same"),
        (Worker(memories=32), "room for different profiles; .* and --memory-headroom"),
        (Worker(keys=False), "room for different profiles"),
        (Worker(no_reasoning="no parser"), "start every node with the same --reasoning-parser"),
        (Worker(armed=False, reason="no plugin"), "worker 1 of engine 1 is not armed: no plugin"),
    ],
)
def test_a_worker_of_any_engine_that_differs_is_an_error(other: Worker, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        asyncio.run(control([Worker(), Worker()], [Worker(), other]).handshake())


def test_a_single_engine_is_not_numbered() -> None:
    with pytest.raises(EngineError, match=r"^worker 0 is not armed: no plugin"):
        asyncio.run(control([Worker(armed=False, reason="no plugin")]).facts())


def test_a_profile_that_one_engine_refuses_is_taken_out_of_the_others() -> None:
    engines = [[Worker(), Worker()], [Worker(), Worker(refuses="big")]]
    with pytest.raises(EngineError, match="no room for big"):
        asyncio.run(control(*engines).load(b"big"))
    assert all(worker.facts["profiles"] == [] for ranks in engines for worker in ranks)
    assert asyncio.run(control(*engines).load(b"small")) == "small"
    assert all(worker.facts["profiles"] == ["small"] for ranks in engines for worker in ranks)


def test_a_refusal_does_not_take_out_what_was_there_before() -> None:
    engines = [[Worker(profiles=["big"])], [Worker(profiles=["big"], refuses="big")]]
    with pytest.raises(EngineError, match="no room for big"):
        asyncio.run(control(*engines).load(b"big"))
    assert "big" in engines[1][0].facts["profiles"]


def test_a_profile_in_use_anywhere_leaves_no_engine() -> None:
    engines = [[Worker(profiles=["a"])], [Worker(profiles=["a"], uses="a")]]
    with pytest.raises(EngineError, match="in use"):
        asyncio.run(control(*engines).unload("a"))
    assert all(worker.facts["profiles"] == ["a"] for ranks in engines for worker in ranks)
    assert asyncio.run(control(*engines).in_use("a"))
    assert not asyncio.run(control(*engines).in_use("b"))
    engines[1][0].uses = ""
    asyncio.run(control(*engines).unload("a"))
    assert all(worker.facts["profiles"] == [] for ranks in engines for worker in ranks)


def test_the_order_in_which_profiles_came_does_not_matter() -> None:
    facts = asyncio.run(
        control([Worker(profiles=["a", "b"])], [Worker(profiles=["b", "a"])]).facts()
    )
    assert {*facts.profiles} == {"a", "b"}


@pytest.mark.parametrize("sick", ["steered", "after", "always", "strong"])
def test_what_is_no_number_proves_nothing(sick: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN compares as neither less nor more: it must not pass for an effect, or for none."""
    asked = 0

    async def logprobs(_self: Any, request: SteeringRequest | None) -> dict[int, float]:
        nonlocal asked
        asked += 1
        nan = {
            "steered": request is not None,
            "after": request is None and asked > 1,
            "always": True,
            "strong": request is not None and request.strength == 8.0,
        }[sick]
        return {7: float("nan") if nan else (-1.0 if request is None else -2.0)}

    monkeypatch.setattr(Canary, "_logprobs", logprobs)
    one = control([Worker()])
    with pytest.raises(EngineError, match=r"no numbers|nan"):
        asyncio.run(one.canary([SteeringRequest(target="a" * 64)], 8.0))


def test_a_vllm_that_cannot_ask_every_engine_is_refused() -> None:
    lacking = EngineControl(SimpleNamespace(engine_core=SimpleNamespace()))
    with pytest.raises(EngineError, match="call_utility_all_async"):
        asyncio.run(lacking.handshake())
