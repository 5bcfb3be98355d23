"""Steering of the running batch: from requests to rows to tokens. No vLLM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering.errors import EngineError
from steering.request import SteeringRequest
from steering.slots import Slots
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
    """

    def __init__(self, tables: Tables, tokens: Tokens) -> None:
        self.tables = tables
        self.tokens = tokens
        self.slots = Slots(tables.rows, tables.write_row)
        self._requests: dict[str, SteeringRequest | None] = {}

    def __contains__(self, request_id: object) -> bool:
        return request_id in self._requests

    def add(self, request_id: str, extra_args: Mapping[str, Any] | None) -> None:
        """A request joins, for the first time or again after a preemption.

        Args:
            request_id: must not be in the batch.
            extra_args: of its sampling parameters.

        Raises:
            ValueError: malformed steering arguments.
            EngineError: a profile that is not loaded. Never runs such a request unsteered.
        """
        request = SteeringRequest.from_extra_args(extra_args)
        if request:
            self.slots.acquire(request_id, request.combination)
        self._requests[request_id] = request

    def remove(self, request_id: str) -> None:
        """A request ends or is preempted; ids that are not in the batch are ignored."""
        self.slots.release(request_id)
        self._requests.pop(request_id, None)

    def update(self, finished: Iterable[str], live: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Add and remove, so that the batch is `live`.

        Args:
            finished: ids that ended; an id may also be live again, for a new request.
            live: extra args of every request in the batch, by id.

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
                self.add(request_id, extra_args)

    def fill(
        self,
        request_ids: Sequence[str],
        scheduled: NDArray[np.int32],
        computed: NDArray[np.int32],
        prompt: NDArray[np.int32],
    ) -> None:
        """Write row and strength of each token of the step; arrays are in batch order.

        Args:
            request_ids: the batch.
            scheduled, computed, prompt: tokens a request has in this step, had before it,
                and has in its prompt.

        Raises:
            EngineError: a request was never added, and its steering is not known.
        """
        if unknown := [request_id for request_id in request_ids if request_id not in self]:
            raise EngineError(f"the step runs requests that never joined the batch: {unknown}")
        requests = [self._requests[request_id] for request_id in request_ids]
        lengths = prompt[: len(requests)].tolist()
        self.tokens.fill(
            scheduled=scheduled,
            computed=computed,
            first=[r.first_position(n) if r else 0 for r, n in zip(requests, lengths, strict=True)],
            rows=[self.slots.row(request_id) for request_id in request_ids],
            strengths=[r.row_strength if r else 0.0 for r in requests],
        )

    def clear(self) -> None:
        """The next forward pass serves no request: it profiles, compiles or captures."""
        self.tokens.clear()
