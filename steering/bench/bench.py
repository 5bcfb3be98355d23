"""Interleaved rounds: every arm answers the same requests, in another order each round."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from profiles.bench.rounds import Comparison
from steering.bench.arms import STOCK, Arm
from steering.bench.engine import Engine
from steering.bench.times import Times
from steering.bench.workload import Workload
from steering.errors import EngineError

MEASURES = ("throughput", "ttft", "itl")


def bench(
    engines: Mapping[str, Engine],
    arms: Sequence[Arm],
    workloads: Sequence[Workload],
    *,
    requests: int,
    rounds: int,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[dict[str, Any]]:
    """Time every arm on every workload, `rounds` times after one that does not count.

    One engine works at a time. The order of the arms is drawn anew for each round and workload:
    drift of a noisy machine, and whatever the one before leaves behind, hit all alike.

    Args:
        engines: running, by the names that the arms have.
        arms: stock first.
        requests: sent at once for each arm and workload.
        rounds: at least one.
        seed: of prompts and order.
        progress: called with (batches done, of all).

    Returns:
        A row for each workload and arm, see `row`.

    Raises:
        EngineError: an engine failed, or an arm did not steer as it should.
    """
    vocabulary = engines[STOCK].ready.vocabulary
    taken: dict[tuple[str, str], list[Times]] = {}
    rng = random.Random(seed)
    done, total = 0, (rounds + 1) * len(arms) * len(workloads)
    for number in range(rounds + 1):
        for workload in workloads:
            drawn = workload.draw(requests, vocabulary, f"{seed} {number} {workload.name}")
            for arm in rng.sample(arms, len(arms)):
                times = engines[arm.engine].run(arm.asks(drawn))
                if bool(times.edited) != arm.steers:
                    raise EngineError(
                        f"{arm.name}: {times.edited} tokens were edited; nothing of this "
                        "measurement counts"
                    )
                # The first round compiles and fills caches.
                if number:
                    taken.setdefault((workload.name, arm.name), []).append(times)
                done += 1
                progress(done, total)
    return [
        row(workload, arm, taken[workload.name, arm.name], taken[workload.name, STOCK])
        for workload in workloads
        for arm in arms
    ]


def row(
    workload: Workload, arm: Arm, times: Sequence[Times], stock: Sequence[Times]
) -> dict[str, Any]:
    """An arm's figures on a workload, for JSON.

    Each of throughput (tokens a second), ttft and itl (seconds) has its median over the rounds,
    the ratio of that to stock's, and the lowest and highest ratio of a round.
    """
    out: dict[str, Any] = {"workload": workload.name, "arm": arm.name}
    for name in MEASURES:
        compared = Comparison(
            [getattr(each, name) for each in times], [getattr(each, name) for each in stock]
        )
        low, high = compared.spread
        out[name] = {
            "median": round(statistics.median(compared.first), 6),
            "ratio": round(compared.ratio, 4),
            "lowest": round(low, 4),
            "highest": round(high, 4),
            "rounds": [round(value, 6) for value in compared.first],
        }
    return out
