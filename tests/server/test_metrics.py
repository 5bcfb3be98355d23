from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

from prometheus_client import CollectorRegistry

from server.errors import Reason
from server.facts import FactsRefresh
from server.metrics import Metrics, Unwatched


def value(registry: CollectorRegistry, name: str) -> float:
    found = registry.get_sample_value(name)
    assert found is not None
    return found


async def test_engine_figures_follow_and_survive_a_restart(control: Any) -> None:
    registry = CollectorRegistry()
    refresh = FactsRefresh(control.facts, Metrics(registry), timeout=1)
    for tokens, total in ((10, 10), (25, 25), (5, 30)):
        control.answer.edited_tokens = tokens
        control.answer.rows_in_use = 3
        await refresh()
        assert value(registry, "langsteer_edited_tokens_total") == total
    assert value(registry, "langsteer_rows_in_use") == 3


async def test_a_slow_engine_delays_no_scrape_and_is_asked_once() -> None:
    registry = CollectorRegistry()
    asked = 0

    async def slow() -> Any:
        nonlocal asked
        asked += 1
        await asyncio.sleep(60)

    refresh = FactsRefresh(slow, Metrics(registry), timeout=0.01)
    await asyncio.gather(refresh(), refresh())
    await refresh()
    assert asked == 1
    assert value(registry, "langsteer_engine_facts_missed_total") == 3
    assert refresh._pending is not None
    refresh._pending.cancel()


async def test_a_failing_engine_fails_no_scrape() -> None:
    registry = CollectorRegistry()

    async def broken() -> Any:
        raise RuntimeError("engine is dead")

    refresh = FactsRefresh(broken, Metrics(registry), timeout=1)
    await refresh()
    await refresh()
    assert value(registry, "langsteer_engine_facts_missed_total") == 2


def test_multiprocess_mode(tmp_path: Path) -> None:
    script = """
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from server.errors import Reason
from server.metrics import Metrics, Unwatched
metrics = Metrics()
metrics.profiles(3)
metrics.refused("bad_type")
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""
    root = Path(__file__).parents[2]
    shown = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "langsteer_profiles_loaded 3.0" in shown
    assert 'langsteer_requests_refused_total{reason="bad_type"} 1.0' in shown


def test_what_has_few_labels_is_there_before_it_happens() -> None:
    """The first time is to be seen as a rise: `increase` of a series that begins at 1 is 0."""
    registry = CollectorRegistry()
    Metrics(registry)
    for name, label, values in (
        ("langsteer_policy_reloads_total", "result", ("ok", "invalid")),
        ("langsteer_access_reloads_total", "result", ("ok", "invalid")),
        ("langsteer_monitor_dropped_total", "reason", get_args(Unwatched)),
        ("langsteer_requests_refused_total", "reason", get_args(Reason)),
    ):
        for found in values:
            assert registry.get_sample_value(name, {label: found}) == 0
