"""Steering of the running batch: from requests to rows to tokens. No vLLM."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from steering.errors import EngineError
from steering.parts import Edit, History, Member, Parts
from steering.request import SteeringRequest
from steering.slots import UNSTEERED_ROW, Slots
from steering.tables import Tables
from steering.tokens import Tokens


class Batch:
    """What one worker knows of the steering of its live requests.

    All that a model runner has to tell it: who joins and who leaves (`add` and `remove`, or
    `update` where the runner knows its batch only as a whole), and before each forward pass
    how many tokens of whom come in which order (`fill`), or that the pass serves nobody
    (`clear`). All of it follows from the scheduler's output, so every rank does the same.

    Args:
        tables: the worker's tables.
        tokens: the worker's per-token buffers.
        parts: tells reasoning from answer; None where nothing does, and then
        no_parts: why nothing does.
    """

    def __init__(
        self,
        tables: Tables,
        tokens: Tokens,
        parts: Parts | None = None,
        no_parts: str = "nothing in this engine tells reasoning from answer",
    ) -> None:
        self.tables = tables
        self.tokens = tokens
        self.parts = parts
        self.no_parts = "" if parts else no_parts
        self.slots = Slots(tables.rows, tables.write_row)
        self._requests: dict[str, SteeringRequest | None] = {}
        # Of those, the ones that steer the reasoning apart.
        self._apart: set[str] = set()

    def __contains__(self, request_id: object) -> bool:
        return request_id in self._requests

    @property
    def edited(self) -> int:
        """Tokens steered since start-up; asks the device."""
        return self.tokens.edited + (int(self.parts.edited) if self.parts else 0)

    def add(
        self,
        request_id: str,
        extra_args: Mapping[str, Any] | None,
        history: History | None = None,
    ) -> None:
        """A request joins, for the first time or again after a preemption.

        Args:
            request_id: must not be in the batch.
            extra_args: of its sampling parameters.
            history: its tokens, where the runner can tell.

        Raises:
            ValueError: malformed steering arguments.
            EngineError: a profile that is not loaded, or reasoning that cannot be told from the
                answer. Never runs such a request unsteered.
        """
        request = SteeringRequest.from_extra_args(extra_args)
        if request:
            self._seat(request_id, request, history)
        self._requests[request_id] = request

    def _seat(self, request_id: str, request: SteeringRequest, history: History | None) -> None:
        if request.reasoning is not None and (self.parts is None or history is None):
            raise EngineError(self.no_parts or "the runner does not tell a request's tokens")
        try:
            if request.combination:
                self.slots.acquire(request_id, request.combination)
            if isinstance(request.reasoning, SteeringRequest):
                self.slots.acquire(_reasoning(request_id), request.reasoning.combination)
        except BaseException:
            self.slots.release(request_id)
            raise
        if request.reasoning is not None and self.parts is not None and history is not None:
            self.parts.join(request_id, history)
            self._apart.add(request_id)

    def remove(self, request_id: str) -> None:
        """A request ends or is preempted; ids that are not in the batch are ignored."""
        self.slots.release(request_id)
        if request_id in self._apart:
            self._apart.discard(request_id)
            self.slots.release(_reasoning(request_id))
            if self.parts is not None:
                self.parts.leave(request_id)
        self._requests.pop(request_id, None)

    def update(
        self,
        finished: Iterable[str],
        live: Mapping[str, Mapping[str, Any] | None],
        history: Callable[[str], History] | None = None,
    ) -> None:
        """Add and remove, so that the batch is `live`.

        Args:
            finished: ids that ended; an id may also be live again, for a new request.
            live: extra args of every request in the batch, by id.
            history: gives the tokens of a request, by id.

        Raises:
            ValueError, EngineError: as `add`.
        """
        # Rows are given back before new ones are taken: a full batch needs them.
        # In one order on every rank: sets of strings have another in each process.
        for request_id in (
            *sorted(finished),
            *(known for known in self._requests if known not in live),
        ):
            self.remove(request_id)
        for request_id, extra_args in live.items():
            if request_id not in self._requests:
                self.add(request_id, extra_args, history(request_id) if history else None)

    def fill(
        self,
        request_ids: Sequence[str],
        scheduled: NDArray[np.int32],
        computed: NDArray[np.int32],
        prompt: NDArray[np.int32],
        input_ids: Tensor | None = None,
    ) -> None:
        """Write row and strength of each token of the step; arrays are in batch order.

        Args:
            request_ids: the batch.
            scheduled, computed, prompt: tokens a request has in this step, had before it,
                and has in its prompt.
            input_ids: of the step, on the device; read where a request steers its reasoning apart.

        Raises:
            EngineError: a request was never added, and its steering is not known; or there are no
                input ids to tell its reasoning by.
        """
        if unknown := [request_id for request_id in request_ids if request_id not in self]:
            raise EngineError(f"the step runs requests that never joined the batch: {unknown}")
        requests = [self._requests[request_id] for request_id in request_ids]
        lengths = prompt[: len(requests)].tolist()
        apart = [i for i, name in enumerate(request_ids) if name in self._apart]
        rows = [self.slots.row(request_id) for request_id in request_ids]
        for i in apart:
            rows[i] = UNSTEERED_ROW  # until the device has looked at its tokens
        self.tokens.fill(
            scheduled=scheduled,
            computed=computed,
            first=[r.first_position(n) if r else 0 for r, n in zip(requests, lengths, strict=True)],
            rows=rows,
            strengths=[r.row_strength if r else 0.0 for r in requests],
            apart=bool(apart),
        )
        if apart:
            if self.parts is None or input_ids is None:
                raise EngineError("the runner does not say which tokens the step has")
            begins = np.cumsum(scheduled) - scheduled
            numbers = np.stack([begins[apart], scheduled[apart], computed[apart], prompt[apart]])
            members = [
                self._member(request_ids[i], *each)
                for i, each in zip(apart, numbers.T.tolist(), strict=True)
            ]
            self.parts.write(self.tokens, input_ids, members)

    def _member(
        self, request_id: str, begin: int, scheduled: int, computed: int, prompt: int
    ) -> Member:
        request = self._requests[request_id]
        assert request is not None, "it steers its reasoning apart"
        reasoning = Edit(UNSTEERED_ROW, 0.0)
        if isinstance(request.reasoning, SteeringRequest):
            row = self.slots.row(_reasoning(request_id))
            reasoning = Edit(row, request.reasoning.row_strength)
        return Member(
            request_id=request_id,
            begin=begin,
            scheduled=scheduled,
            computed=computed,
            prompt=prompt,
            answer=Edit(self.slots.row(request_id), request.row_strength),
            reasoning=reasoning,
        )

    def clear(self) -> None:
        """The next forward pass serves no request: it profiles, compiles or captures."""
        self.tokens.clear()


def _reasoning(request_id: str) -> str:
    """By what name a request holds the row of its reasoning; no request has one like it."""
    return f"{request_id}\0reasoning"
