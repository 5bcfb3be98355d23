"""Load, unload, ask and prove: the API server's line to the workers, and their end of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from profiles import store
from profiles.errors import LangsteerError
from steering import plugin
from steering.batch import Batch
from steering.engine.admission import IN_USE
from steering.engine.arming import batch_of
from steering.engine.canary import Canary
from steering.engine.runners import why_not_armed
from steering.errors import EngineError
from steering.request import SteeringRequest

_T = TypeVar("_T")
_LOOKS = 1.0  # seconds between two looks at whether the engine is alive


class WorkerExtension:
    """Methods vLLM mixes into every worker (`worker_extension_cls`), called by EngineControl.

    They answer with plain dicts, an "error" key for failures, so that no exception has to
    cross a process boundary and no worker dies of a bad profile.
    """

    def langsteer_facts(self) -> dict[str, Any]:
        """State of this worker; "armed" is False with a "reason" if it can't steer."""
        batch = _batch(self)
        if batch is None:
            runner = getattr(self, "model_runner", None)
            return {"armed": False, "reason": why_not_armed(runner, plugin.install())}
        return {
            "armed": True,
            "profiles": batch.tables.profiles,
            "rows_in_use": batch.slots.in_use,
            "rows_cached": batch.slots.cached,
            "rows": batch.tables.rows,
            "edited_tokens": batch.edited,
            "columns_taken": batch.tables.columns_taken,
            "columns": list(batch.tables.capacity.columns),
            "memories_taken": batch.tables.bank.taken,
            "memories": batch.tables.capacity.memories,
            "keys": batch.tables.capacity.keys,
            "no_reasoning": batch.no_parts,
        }

    def langsteer_load(self, data: bytes) -> dict[str, Any]:
        """Load a profile from the bytes of its file."""
        batch = _batch(self)
        if batch is None:
            return {"error": "this worker is not armed"}
        try:
            profile = store.loads(data, "profile from the server")
            return {"hash": batch.tables.load(profile), "roles": sorted(profile.edits())}
        except LangsteerError as error:
            return {"error": str(error)}

    def langsteer_in_use(self, content_hash: str) -> dict[str, Any]:
        """An "error" where a request of the batch uses the profile."""
        batch = _batch(self)
        if batch is None:
            return {"error": "this worker is not armed"}
        if batch.slots.uses(content_hash):
            return {"error": IN_USE.format(content_hash[:12])}
        return {}

    def langsteer_unload(self, content_hash: str) -> dict[str, Any]:
        """Unload a profile no live request uses."""
        if refusal := self.langsteer_in_use(content_hash):
            return refusal
        batch = _batch(self)
        assert batch is not None, "a worker that is not armed has refused"
        batch.slots.forget(content_hash)
        batch.tables.unload(content_hash)
        return {"hash": content_hash}


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """What the workers report. Ranks of an engine agree; engines (data parallel) are summed up.

    Attributes:
        engines, workers: how many answered.
        profiles: content hashes loaded.
        rows, rows_in_use, rows_cached: table rows in all, held by live requests, composed
            and idle.
        edited_tokens: token positions steered since start-up.
        columns, columns_taken: per layer, room for edited neurons and how much is used.
        memories, memories_taken: room for memories in FFNs and how much is used; an offset is one.
        keys: whether there is room for their keys.
        no_reasoning: why reasoning cannot be steered apart from the answer; "" where it can.
    """

    engines: int
    workers: int
    profiles: tuple[str, ...]
    rows: int
    rows_in_use: int
    rows_cached: int
    edited_tokens: int
    columns: tuple[int, ...]
    columns_taken: tuple[int, ...]
    memories: int
    memories_taken: int
    keys: bool
    no_reasoning: str


class EngineControl:
    """The API server's handle on all workers of a vLLM `EngineClient`.

    Behind one client there are several engines where requests are spread over them (data
    parallel). vLLM's own `collective_rpc` returns what the first of them answers; here all are
    heard.
    """

    def __init__(self, engine_client: Any) -> None:
        self._client = engine_client
        self._lock = asyncio.Lock()

    async def handshake(self) -> None:
        """Make sure every worker is armed, and that all engines can be asked.

        Raises:
            EngineError: a worker is not; the text says why.
        """
        try:
            _ = self._client.engine_core.call_utility_all_async
        except AttributeError as error:
            raise EngineError(f"this vLLM's engine client cannot be used: {error}") from error
        await self.facts()

    async def facts(self) -> EngineFacts:
        """Ask every worker of every engine.

        Raises:
            EngineError: a worker is not armed, or workers disagree about their profiles, the room
                for them, or the markers of reasoning.
        """
        engines = await self._ask("langsteer_facts")
        for number, ranks in enumerate(engines):
            for rank, answer in enumerate(ranks):
                if not answer["armed"]:
                    where = f"worker {rank}" + (f" of engine {number}" if len(engines) > 1 else "")
                    raise EngineError(f"{where} is not armed: {answer['reason']}")
        firsts = [ranks[0] for ranks in engines]
        first = firsts[0]
        if any(answer["no_reasoning"] != first["no_reasoning"] for answer in _flat(engines)):
            raise EngineError(
                "workers disagree about whether reasoning can be told from the answer; start every "
                "node with the same --reasoning-parser"
            )
        for answer in _flat(engines):
            if {*answer["profiles"]} != {*first["profiles"]}:
                raise EngineError("workers disagree about the loaded profiles; restart the server")
            if any(answer[name] != first[name] for name in ("columns", "memories", "keys")):
                raise EngineError(
                    "workers have room for different profiles; start every node with the same "
                    "files in --profiles, the same --column-headroom and --memory-headroom"
                )
        return EngineFacts(
            engines=len(engines),
            workers=len(_flat(engines)),
            profiles=tuple(first["profiles"]),
            rows=sum(each["rows"] for each in firsts),
            rows_in_use=sum(each["rows_in_use"] for each in firsts),
            rows_cached=sum(each["rows_cached"] for each in firsts),
            edited_tokens=sum(each["edited_tokens"] for each in firsts),
            columns=tuple(first["columns"]),
            columns_taken=tuple(first["columns_taken"]),
            memories=first["memories"],
            memories_taken=first["memories_taken"],
            keys=first["keys"],
            no_reasoning=first["no_reasoning"],
        )

    async def load(self, data: bytes) -> str:
        """Load a profile file's bytes into every worker, or into none.

        Returns:
            The profile's content hash, as confirmed by every worker.

        Raises:
            EngineError: a worker refused it, or the engine is asleep or paused.
        """
        async with self._lock:
            # Asleep, the tables' memory is not mapped, and waking puts back what was in them
            # before. Paused, the proof that follows would wait for ever.
            if await self._answer(self._client.is_sleeping()):
                raise EngineError(
                    "the engine is asleep or paused; wake it up (POST /wake_up) or resume it (POST "
                    "/resume), and load again"
                )
            before = (await self.facts()).profiles
            answers = _flat(await self._ask("langsteer_load", data))
            hashes = {answer.get("hash") for answer in answers}
            if len(hashes) == 1 and None not in hashes:
                return str(hashes.pop())
            for loaded in hashes - {None, *before}:
                await self._ask("langsteer_unload", loaded)
            errors = [answer["error"] for answer in answers if "error" in answer]
            raise EngineError(errors[0] if errors else "workers loaded different profiles")

    async def unload(self, content_hash: str) -> None:
        """Unload a profile from every worker, or from none.

        Raises:
            EngineError: a request that has not ended uses it.
        """
        async with self._lock:
            # All are asked first: an engine without it beside one with it would disagree.
            for method in ("langsteer_in_use", "langsteer_unload"):
                if refusal := _refusal(await self._ask(method, content_hash)):
                    raise EngineError(refusal)

    async def in_use(self, content_hash: str) -> bool:
        """Whether a request of any engine uses the profile, one that still waits included."""
        return _refusal(await self._ask("langsteer_in_use", content_hash)) is not None

    async def canary(self, requests: Sequence[SteeringRequest], strongest: float) -> None:
        """Prove on every engine, with real requests, that each changes the output: see `Canary`.

        Raises:
            EngineError: the first proof that failed.
        """
        for engine in range((await self.facts()).engines):
            await self._answer(Canary(self._client, engine).prove(requests, strongest))

    async def _ask(self, method: str, *args: Any) -> list[list[dict[str, Any]]]:
        """Every engine's answers, one a worker."""
        core = self._client.engine_core
        return await self._answer(
            core.call_utility_all_async("collective_rpc", method, None, args, None)
        )

    async def _answer(self, question: Awaitable[_T]) -> _T:
        """What the engine says; where it dies meanwhile vLLM would leave us waiting for ever.

        Raises:
            EngineError: it has died.
        """
        asked = asyncio.ensure_future(question)
        try:
            while not (await asyncio.wait({asked}, timeout=_LOOKS))[0]:
                if self._client.errored:
                    raise EngineError("the engine has died")
            return asked.result()
        finally:
            asked.cancel()


def _refusal(engines: Sequence[Sequence[dict[str, Any]]]) -> str | None:
    """The first error among the answers."""
    return next((answer["error"] for answer in _flat(engines) if "error" in answer), None)


def _flat(engines: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [answer for ranks in engines for answer in ranks]


def _batch(worker: Any) -> Batch | None:
    runner: Any = getattr(worker, "model_runner", None)
    return batch_of(runner.get_model()) if hasattr(runner, "get_model") else None
