"""Load, unload, ask and prove: the API server's line to the workers, and their end of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from profiles import store
from profiles.errors import LangsteerError
from steering import plugin
from steering.batch import Batch
from steering.engine.arming import batch_of
from steering.engine.runners import why_not_armed
from steering.errors import EngineError
from steering.request import SteeringRequest

# A step of bfloat16 at the size of logits, which a batch of another shape may cost.
_ROUNDING = 0.25
_CANARY_TRIES = 3


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
            "edited_tokens": batch.tokens.edited,
            "columns_taken": batch.tables.columns_taken,
            "columns": list(batch.tables.capacity.columns),
            "offsets": batch.tables.capacity.offsets,
        }

    def langsteer_load(self, data: bytes) -> dict[str, Any]:
        """Load a profile from the bytes of its file."""
        batch = _batch(self)
        if batch is None:
            return {"error": "this worker is not armed"}
        try:
            return {"hash": batch.tables.load(store.loads(data, "profile from the server"))}
        except LangsteerError as error:
            return {"error": str(error)}

    def langsteer_unload(self, content_hash: str) -> dict[str, Any]:
        """Unload a profile no live request uses."""
        batch = _batch(self)
        if batch is None:
            return {"error": "this worker is not armed"}
        if batch.slots.uses(content_hash):
            return {"error": f"profile {content_hash[:12]} is in use by running requests"}
        batch.slots.forget(content_hash)
        batch.tables.unload(content_hash)
        return {"hash": content_hash}


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """What the workers report; counters are the first worker's, they agree on all.

    Attributes:
        workers: how many answered.
        profiles: content hashes loaded.
        rows, rows_in_use, rows_cached: table rows in all, held by live requests, composed
            and idle.
        edited_tokens: token positions steered since start-up.
        columns, columns_taken: per layer, room for edited neurons and how much is used.
        offsets: whether there is room for FFN-output offsets.
    """

    workers: int
    profiles: tuple[str, ...]
    rows: int
    rows_in_use: int
    rows_cached: int
    edited_tokens: int
    columns: tuple[int, ...]
    columns_taken: tuple[int, ...]
    offsets: bool


class EngineControl:
    """The API server's handle on all workers of a vLLM `EngineClient`."""

    def __init__(self, engine_client: Any) -> None:
        self._client = engine_client
        self._lock = asyncio.Lock()

    async def handshake(self) -> None:
        """Make sure every worker is armed, and that this vLLM can tell who is alive.

        Raises:
            EngineError: a worker is not; the text says why.
        """
        try:
            self.alive()
        except AttributeError as error:
            raise EngineError(f"this vLLM's engine client lacks {error}") from error
        await self.facts()

    def alive(self) -> frozenset[str]:
        """Ids of the requests that the engine has not finished.

        Messages to the engine keep their order: once an id is gone from here, its end has been
        sent, and whatever is asked of the workers next comes after it.
        """
        return frozenset(self._client.output_processor.request_states)

    async def facts(self) -> EngineFacts:
        """Ask every worker.

        Raises:
            EngineError: a worker is not armed, or workers disagree about their profiles.
        """
        answers = await self._ask("langsteer_facts")
        for rank, answer in enumerate(answers):
            if not answer["armed"]:
                raise EngineError(f"worker {rank} is not armed: {answer['reason']}")
        first = answers[0]
        if any(answer["profiles"] != first["profiles"] for answer in answers):
            raise EngineError("workers disagree about the loaded profiles; restart the server")
        return EngineFacts(
            workers=len(answers),
            profiles=tuple(first["profiles"]),
            rows=first["rows"],
            rows_in_use=first["rows_in_use"],
            rows_cached=first["rows_cached"],
            edited_tokens=first["edited_tokens"],
            columns=tuple(first["columns"]),
            columns_taken=tuple(first["columns_taken"]),
            offsets=first["offsets"],
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
            if await self._client.is_sleeping():
                raise EngineError(
                    "the engine is asleep or paused; wake it up (POST /wake_up) or resume it (POST "
                    "/resume), and load again"
                )
            before = (await self.facts()).profiles
            answers = await self._ask("langsteer_load", data)
            hashes = {answer.get("hash") for answer in answers}
            if len(hashes) == 1 and None not in hashes:
                return str(hashes.pop())
            for loaded in hashes - {None, *before}:
                await self._ask("langsteer_unload", loaded)
            errors = [answer["error"] for answer in answers if "error" in answer]
            raise EngineError(errors[0] if errors else "workers loaded different profiles")

    async def unload(self, content_hash: str) -> None:
        """Unload a profile from every worker.

        Raises:
            EngineError: a running request uses it.
        """
        async with self._lock:
            for answer in await self._ask("langsteer_unload", content_hash):
                if "error" in answer:
                    raise EngineError(answer["error"])

    async def canary(self, requests: Sequence[SteeringRequest]) -> None:
        """Prove with real requests that each of `requests` changes the model's output.

        Each is run for one token between two unsteered ones. Steering must move the
        log-probabilities by far more than the unsteered pair differs. Beside other traffic
        rounding moves them too, batches being of other shapes: a failed proof is tried again.

        Raises:
            EngineError: an edit had no effect, or unsteered requests were disturbed.
        """
        failure = None
        for _ in range(_CANARY_TRIES):
            failure = await self._canary(requests)
            if failure is None:
                return
        raise EngineError(failure)

    async def _canary(self, requests: Sequence[SteeringRequest]) -> str | None:
        """One try; what went wrong, or None."""
        before = await self._logprobs(None)
        moved = [(request, await self._logprobs(request)) for request in requests]
        noise = _distance(before, await self._logprobs(None))
        if noise > _ROUNDING:
            return (
                f"an unsteered request changed by {noise:.3g} in log-probability after steered "
                "ones ran; the engine is not isolating them"
            )
        for request, logprobs in moved:
            change = _distance(before, logprobs)
            if change <= max(3 * noise, 1e-4):
                named = ", ".join(h[:12] for h in (request.target, *request.suppress) if h)
                return (
                    f"steering with profile {named} changed log-probabilities by only "
                    f"{change:.3g}; either the profile edits next to nothing or the edit is not "
                    "reaching the model"
                )
        return None

    async def _logprobs(self, request: SteeringRequest | None) -> dict[int, float]:
        from vllm import SamplingParams

        # Any few tokens do, as long as they are the same each time and no block is cached.
        params = SamplingParams(
            max_tokens=1,
            temperature=0.0,
            logprobs=min(5, max(0, self._client.model_config.max_logprobs)),
            extra_args=request.to_extra_args() if request else None,
            detokenize=False,
        )
        final: Any = None
        async for output in self._client.generate(
            {"prompt_token_ids": [7, 11, 13, 17]}, params, f"langsteer-canary-{uuid4().hex}"
        ):
            final = output
        (step,) = final.outputs[0].logprobs
        return {token: entry.logprob for token, entry in step.items()}

    async def _ask(self, method: str, *args: Any) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = await self._client.collective_rpc(method, args=args)
        return answers


def _batch(worker: Any) -> Batch | None:
    runner: Any = getattr(worker, "model_runner", None)
    return batch_of(runner.get_model()) if hasattr(runner, "get_model") else None


def _distance(a: dict[int, float], b: dict[int, float]) -> float:
    """Largest difference on common tokens; infinite if the top tokens have none in common."""
    common = a.keys() & b.keys()
    return max((abs(a[token] - b[token]) for token in common), default=float("inf"))
