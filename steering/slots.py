"""Which request holds which table row. Pure: no torch, no vLLM."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from steering.errors import CapacityError
from steering.request import Combination

UNSTEERED_ROW = 0


class Slots:
    """Rows 1..rows-1 of the tables, shared by requests with the same combination of edits.

    A row outlives its last request so that the next one with that combination finds it
    composed; it is given away, least recently used first, when another combination needs
    it. Every decision follows from the order of calls alone, so workers that see the same
    scheduler output (tensor parallel ranks) agree on rows without talking to each other.

    With at least as many steered rows as the engine runs requests at once, twice as many where
    they may steer their reasoning apart, `acquire` cannot fail: a step never needs more rows.

    Args:
        rows: rows of the tables, the unsteered row 0 included; at least 2.
        compose: called with (row, combination) when a row must be written.
    """

    def __init__(self, rows: int, compose: Callable[[int, Combination], None]) -> None:
        if rows < 2:
            raise ValueError(f"rows is {rows}, must be at least 2: row 0 edits nothing")
        self._compose = compose
        self._free = list(range(rows - 1, 0, -1))
        self._row_of: dict[Combination, int] = {}
        self._holders: dict[Combination, set[str]] = {}
        self._idle: OrderedDict[Combination, None] = OrderedDict()
        self._held_by: dict[str, Combination] = {}

    @property
    def in_use(self) -> int:
        """Rows held by a live request."""
        return len(self._holders)

    @property
    def cached(self) -> int:
        """Rows composed and held by nobody."""
        return len(self._idle)

    def acquire(self, request_id: str, combination: Combination) -> int:
        """Give `request_id` the row of `combination`, composing it if it is new.

        Raises:
            CapacityError: every row is held by a live request.
            Exception: whatever `compose` raises; nothing is held then.
        """
        if request_id in self._held_by:
            raise ValueError(f"request {request_id!r} already holds a row")
        row = self._row_of.get(combination)
        if row is None:
            row = self._take_row()
            try:
                self._compose(row, combination)
            except BaseException:
                self._free.append(row)
                raise
            self._row_of[combination] = row
        self._idle.pop(combination, None)
        self._holders.setdefault(combination, set()).add(request_id)
        self._held_by[request_id] = combination
        return row

    def release(self, request_id: str) -> None:
        """Take the row back; unknown or unsteered requests are fine."""
        combination = self._held_by.pop(request_id, None)
        if combination is None:
            return
        holders = self._holders[combination]
        holders.discard(request_id)
        if not holders:
            del self._holders[combination]
            self._idle[combination] = None

    def row(self, request_id: str) -> int:
        """The row `request_id` holds; row 0 if it holds none."""
        combination = self._held_by.get(request_id)
        return UNSTEERED_ROW if combination is None else self._row_of[combination]

    def uses(self, content_hash: str) -> bool:
        """Whether a live request's combination contains this profile."""
        return any(_contains(held, content_hash) for held in self._holders)

    def forget(self, content_hash: str) -> None:
        """Drop cached rows composed from this profile. It must not be in use."""
        for combination in [c for c in self._idle if _contains(c, content_hash)]:
            del self._idle[combination]
            self._free.append(self._row_of.pop(combination))

    def _take_row(self) -> int:
        if self._free:
            return self._free.pop()
        if self._idle:
            oldest, _ = self._idle.popitem(last=False)
            return self._row_of.pop(oldest)
        raise CapacityError(
            f"all {len(self._row_of)} table rows are held by running requests; raise the number of "
            "rows to at least the engine's max_num_seqs + 1, twice max_num_seqs where requests may "
            "steer their reasoning apart"
        )


def _contains(combination: Combination, content_hash: str) -> bool:
    return any(part.content_hash == content_hash for part in combination)
