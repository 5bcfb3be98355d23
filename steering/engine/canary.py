"""Proof by real requests that edits reach the model and disturb nobody."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from steering.errors import EngineError
from steering.request import SteeringRequest

# A step of bfloat16 at the size of logits, which a batch of another shape may cost.
_ROUNDING = 0.25
_TRIES = 3


class Canary:
    """One engine behind a vLLM `EngineClient`, asked for one token at a time.

    Each request is run between two unsteered ones. Steering must move the log-probabilities by far
    more than the unsteered pair differs. Beside other traffic rounding moves them too, batches
    being of other shapes: a failed proof is tried again.

    Args:
        client: the engine client.
        engine: which of its engines (data parallel).
    """

    def __init__(self, client: Any, engine: int) -> None:
        self._client, self._engine = client, engine

    async def prove(self, requests: Sequence[SteeringRequest], strongest: float) -> None:
        """Run the proof.

        Args:
            requests: at a strength that is to have an effect.
            strongest: the largest strength that will be asked for; at it each request must still
                give numbers. What is none would stay in the KV cache for others to read.

        Raises:
            EngineError: an edit had no effect, or overflowed, or unsteered requests were disturbed.
        """
        failure = None
        for _ in range(_TRIES):
            failure = await self._try(requests, strongest)
            if failure is None:
                return
        raise EngineError(failure or "no proof was tried")

    async def _try(self, requests: Sequence[SteeringRequest], strongest: float) -> str | None:
        """One try; what went wrong, or None."""
        before = await self._logprobs(None)
        if not _finite(before):
            return f"an unsteered request has the log-probabilities {[*before.values()]}"
        moved = []
        for request in requests:
            logprobs = await self._logprobs(request)
            moved.append((request, logprobs))
            strong = await self._logprobs(replace(request, strength=strongest))
            if not (_finite(logprobs) and _finite(strong)):
                # Not for another try: that is no noise, and it is in cache blocks by now.
                raise EngineError(
                    f"steering with profile {_named(request)} overflows at strength "
                    f"{strongest if _finite(logprobs) else request.strength:g}: the "
                    "log-probabilities are no numbers. Serve with a lower --max-strength, or with "
                    "--dtype bfloat16 where it is float16"
                )
        after = await self._logprobs(None)
        noise = _distance(before, after)
        if not (_finite(after) and noise <= _ROUNDING):
            return (
                f"an unsteered request changed by {noise:.3g} in log-probability after steered "
                "ones ran; the engine is not isolating them"
            )
        for request, logprobs in moved:
            change = _distance(before, logprobs)
            if not change > max(3 * noise, 1e-4):
                return (
                    f"steering with profile {_named(request)} changed log-probabilities by only "
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
            {"prompt_token_ids": [7, 11, 13, 17]},
            params,
            f"langsteer-canary-{uuid4().hex}",
            data_parallel_rank=self._engine,
        ):
            final = output
        (step,) = final.outputs[0].logprobs
        return {token: entry.logprob for token, entry in step.items()}


def _finite(logprobs: Mapping[int, float]) -> bool:
    return all(math.isfinite(value) for value in logprobs.values())


def _named(request: SteeringRequest) -> str:
    return ", ".join(h[:12] for h in (request.target, *request.suppress) if h)


def _distance(a: dict[int, float], b: dict[int, float]) -> float:
    """Largest difference on common tokens; infinite if the top tokens have none in common."""
    common = a.keys() & b.keys()
    return max((abs(a[token] - b[token]) for token in common), default=float("inf"))
