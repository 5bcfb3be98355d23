"""One figure an arm: its throughput beside stock vLLM over everything that was measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def overall(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The geometric mean of an arm's throughput over stock's, batch by batch.

    A round has few batches and a shared machine drifts by more than an edit costs, so that the
    median of one workload says little: this takes all batches of all workloads together.

    Args:
        rows: of `bench`, stock's first in each workload.

    Returns:
        A row for each arm: its ratio, twice the standard error of that, and how many batches.
    """
    stock: Mapping[str, Any] = rows[0]
    logs: dict[str, list[float]] = {}
    for row in rows:
        stock = stock if row["workload"] == stock["workload"] else row
        if row is stock:
            continue
        pairs = zip(row["throughput"]["rounds"], stock["throughput"]["rounds"], strict=True)
        logs.setdefault(row["arm"], []).extend(math.log(mine / theirs) for mine, theirs in pairs)
    return [
        {
            "arm": arm,
            "ratio": round(math.exp(statistics.fmean(found)), 4),
            "error": round(2 * statistics.stdev(found) / math.sqrt(len(found)), 4)
            if len(found) > 1
            else None,
            "batches": len(found),
        }
        for arm, found in logs.items()
    ]
