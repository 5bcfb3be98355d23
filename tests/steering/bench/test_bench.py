"""Rounds, ratios and what is shown of them, with engines that only pretend."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from steering.bench.arms import STEERING, STOCK, arms
from steering.bench.bench import bench
from steering.bench.overall import overall
from steering.bench.plot import draw
from steering.bench.table import show
from steering.bench.times import Times
from steering.bench.workload import Ask, Workload
from steering.engine.bench_process import EngineReport
from steering.errors import EngineError
from steering.request import SteeringRequest

ONE = SteeringRequest(target="a" * 64)
SMALL = Workload(name="small", prompt=(4, 4), answer=(3, 3))


class FakeEngine:
    """Takes `seconds` for a batch, plus a tenth for a steered one; may forget to steer."""

    def __init__(self, seconds: float, *, log: list[str], forgets: bool) -> None:
        self.seconds, self.log, self.forgets = seconds, log, forgets
        self.seen: list[list[Ask]] = []
        self.ready = self.report()

    def report(self) -> EngineReport:
        return EngineReport(
            vocabulary=500,
            memory=1 << 30,
            kv_blocks=10,
            device="cpu",
            dtype="bfloat16",
            compiled=True,
            facts=None,
        )

    def run(self, asks: list[Ask]) -> Times:
        self.seen.append(asks)
        steered = sum(ask.extra_args is not None for ask in asks)
        self.log.append(f"{self.seconds} {steered}")
        edited = 0 if self.forgets else steered
        seconds = self.seconds * (1.1 if steered else 1)
        return Times(
            seconds=seconds,
            tokens=70,
            edited=edited,
            first=[seconds / 2],
            between=[seconds / 4],
        )


def engines(log: list[str], *, forgets: bool = False) -> dict[str, Any]:
    return {
        STOCK: FakeEngine(1.0, log=log, forgets=False),
        STEERING: FakeEngine(2.0, log=log, forgets=forgets),
    }


SIDES = arms(ONE, [ONE, None], control=False)


def test_ratios_are_to_stock_and_the_first_round_does_not_count() -> None:
    log: list[str] = []
    seen: list[tuple[int, int]] = []
    running = engines(log)
    rows = bench(
        running,
        SIDES,
        [SMALL],
        requests=4,
        rounds=3,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (16, 16)
    assert len(log) == 16
    by_arm = {row["arm"]: row for row in rows}
    assert [*by_arm] == ["stock", "idle", "one", "mix"]
    assert by_arm["stock"]["throughput"]["ratio"] == 1.0
    assert by_arm["idle"]["throughput"]["ratio"] == 0.5
    assert by_arm["one"]["throughput"]["median"] == pytest.approx(70 / 2.2, abs=1e-6)
    assert by_arm["one"]["ttft"]["ratio"] == by_arm["mix"]["itl"]["ratio"] == 2.2
    assert len(by_arm["one"]["itl"]["rounds"]) == 3


def test_arms_come_in_another_order_each_round_with_the_same_requests() -> None:
    log: list[str] = []
    running = engines(log)
    bench(running, SIDES, [SMALL], requests=4, rounds=7)
    orders = {tuple(log[n : n + 4]) for n in range(0, len(log), 4)}
    assert len(orders) > 2
    stock, steering = running[STOCK].seen, running[STEERING].seen
    for number, asks in enumerate(stock):
        for other in steering[3 * number : 3 * number + 3]:
            assert [ask.prompt for ask in other] == [ask.prompt for ask in asks]


def test_an_arm_that_does_not_steer_spoils_the_measurement() -> None:
    with pytest.raises(EngineError, match=r"one: 0 tokens were edited|mix: 0 tokens were edited"):
        bench(engines([], forgets=True), SIDES, [SMALL], requests=4, rounds=1)


def test_all_batches_of_all_workloads_are_one_figure() -> None:
    def row(workload: str, arm: str, *rounds: float) -> dict[str, Any]:
        return {"workload": workload, "arm": arm, "throughput": {"rounds": rounds}}

    found = overall(
        [
            *(row("a", "stock", 10.0, 20.0), row("a", "idle", 20.0, 20.0)),
            *(row("b", "stock", 8.0, 8.0), row("b", "idle", 4.0, 8.0)),
        ]
    )
    # Twice as fast, as fast, half as fast, as fast: the logarithms' mean is nought.
    assert [(each["arm"], each["ratio"], each["batches"]) for each in found] == [("idle", 1.0, 4)]
    assert found[0]["error"] == pytest.approx(2 * math.log(2) * math.sqrt(2 / 3) / 2, abs=1e-4)
    (single,) = overall([row("a", "stock", 10.0), row("a", "idle", 9.0)])
    assert single == {"arm": "idle", "ratio": 0.9, "error": None, "batches": 1}


def test_what_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = bench(engines([]), SIDES, [SMALL], requests=4, rounds=3)
    result = {
        "model": "tiny",
        "device": "cpu",
        "dtype": "bfloat16",
        "compiled": True,
        "requests": 4,
        "rounds": 3,
        "rows": rows,
        "overall": overall(rows),
        "arms": [{"name": arm.name, "about": arm.about} for arm in SIDES],
        "memory": {"stock": {"bytes": 1 << 30, "kv_blocks": 10}},
        "tables": {"bytes": 3 << 20, "rows": 5, "columns": 16, "memories": 32},
    }
    show(result)
    text = capsys.readouterr().out
    assert "tiny, 3 rounds of 4 requests, cpu, bfloat16, compiled" in " ".join(text.split())
    assert "0.500" in text
    assert "idle: 0.500 ± 0.000 (3 batches)" in text
    assert "Memory of stock: 1024 MiB, 10 KV blocks" in text
    assert "3.0 MiB for 5 rows and 16 edited neurons" in text
    for file in draw(result, tmp_path / "bench"):
        assert file.stat().st_size > 5000
