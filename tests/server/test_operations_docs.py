"""docs/operations.md and docs/monitor.md, held to the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry

from server.metrics import Metrics, Unwatched
from server.monitor.answer_log import AnswerLog
from server.monitor.monitor import COUNTED
from server.monitor.verdict import Verdict
from server.policy.load import load
from server.settings import PREFIX, Settings
from tests.server.monitor.test_answer_log import MISS

DOCS = Path(__file__).parents[2] / "docs"
OPERATIONS = (DOCS / "operations.md").read_text()
MONITOR = (DOCS / "monitor.md").read_text()


def test_every_metric_is_in_the_table() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    names = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in registry.collect()
    }
    listed = set(re.findall(r"^\| `(langsteer_[a-z_]+)` \|", OPERATIONS, re.MULTILINE))
    assert names == listed


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"profiles_dir", "model"}))
def test_every_setting_is_in_the_table_with_its_default(name: str) -> None:
    default = Settings.model_fields[name].default
    shown = "" if default is None else str(default)
    row = f"| `{PREFIX}{name.upper()}` | {shown} |".replace("|  |", "| |")
    assert row in OPERATIONS, row


def test_the_verdicts_reasons_and_languages_are_explained() -> None:
    for verdict in get_args(Verdict):
        assert f"| `{verdict}` |" in MONITOR
    for reason in get_args(Unwatched):
        assert f"`{reason}`" in MONITOR
    listed = MONITOR.partition("<!-- counted -->")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z]{2})`", listed)) == COUNTED


def test_the_line_of_the_log_has_the_fields_of_a_real_one(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "log", sample=1, sample_miss=1, text="redacted")
    log.note(MISS)
    log.close()
    example = re.search(r"```json\n(.*?)```", MONITOR, re.DOTALL)
    assert example
    real = json.loads((tmp_path / "log").read_text())
    assert [*json.loads(example[1])] == [*real]


def test_every_policy_in_it_loads() -> None:
    policies = re.findall(r"```yaml\n(version:.*?)```", MONITOR, re.DOTALL)
    assert policies
    for text in policies:
        assert load(text.encode()).warnings == ()
