"""Steering of the running batch: from requests to rows to tokens. No vLLM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering.request import SteeringRequest
from steering.slots import Slots
from steering.tables import Tables
from steering.tokens import Tokens


class Batch:
    """What one worker knows of the steering of its live requests.

    A model runner calls `update` when the batch changes and `fill` before each forward
    pass. Both follow from the scheduler's output alone, so every rank does the same.

    Args:
        tables: the worker's tables.
        tokens: the worker's per-token buffers.
    """

    def __init__(self, tables: Tables, tokens: Tokens) -> None:
        self.tables = tables
        self.tokens = tokens
        self.slots = Slots(tables.rows, tables.write_row)
        self._requests: dict[str, SteeringRequest | None] = {}

    def update(self, finished: Iterable[str], live: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Follow the scheduler: forget what left the batch, give rows to what joined it.

        Args:
            finished: ids that ended; an id may also be live again, for a new request.
            live: extra args of every request in the batch, by id.

        Raises:
            ValueError: malformed steering arguments.
            EngineError: a profile that is not loaded. Never runs such a request unsteered.
        """
        for request_id in finished:
            self.slots.release(request_id)
            self._requests.pop(request_id, None)
        # Rows are given back before new ones are taken: a full batch needs them.
        self.slots.retain(live)
        for request_id in [known for known in self._requests if known not in live]:
            del self._requests[request_id]
        for request_id, extra_args in live.items():
            if request_id not in self._requests:
                request = SteeringRequest.from_extra_args(extra_args)
                if request:
                    self.slots.acquire(request_id, request.combination)
                self._requests[request_id] = request

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
        """
        requests = [self._requests[request_id] for request_id in request_ids]
        lengths = prompt[: len(requests)].tolist()
        self.tokens.fill(
            scheduled=scheduled,
            computed=computed,
            first=[r.first_position(n) if r else 0 for r, n in zip(requests, lengths, strict=True)],
            rows=[self.slots.row(request_id) for request_id in request_ids],
            strengths=[r.strength if r else 0.0 for r in requests],
        )
