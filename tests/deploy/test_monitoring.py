"""deploy/monitoring, held to the code and to Prometheus' own tools."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from server.metrics import Metrics

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
OPERATIONS = (FOLDER.parents[1] / "docs" / "operations.md").read_text()
# vLLM's, which the dashboard shows beside ours; tests/e2e/test_policy.py finds them.
OF_VLLM = {"vllm:num_requests_running", "vllm:num_requests_waiting"}
_SELECTOR = re.compile(r"([a-z_]+:?[a-z_0-9:]*)\{([^}]*)\}")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def rules(file: str) -> list[dict[str, Any]]:
    read = yaml.safe_load((FOLDER / file).read_text())
    return [rule for group in read["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def panels() -> Iterator[ModuleType]:
    yield load("panels")
    sys.modules.pop("panels", None)


def shown(panels: ModuleType) -> list[str]:
    """Every query of the dashboard."""
    return [expr for _, graphs in panels.ROWS for graph in graphs for expr, _ in graph.queries]


def known() -> dict[str, set[str]]:
    """Sample name -> labels, of our own metrics."""
    registry = CollectorRegistry()
    Metrics(registry)
    found = {}
    for collector, names in registry._collector_to_names.items():
        labels = {*getattr(collector, "_labelnames", ())}
        for name in names:
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return found


def test_every_metric_and_label_that_is_asked_for_exists(panels: ModuleType) -> None:
    ours = known()
    recorded = {rule["record"] for rule in rules("rules.yaml")}
    asked = [*shown(panels), *(rule["expr"] for rule in rules("rules.yaml") + rules("alerts.yaml"))]
    used = set()
    for expr in asked:
        for name in re.findall(r"\b(?:langsteer|vllm)[a-z_:0-9]*", expr):
            assert name in ours or name in recorded or name in OF_VLLM, name
            used.add(name)
        for name, selector in _SELECTOR.findall(expr):
            labels = set(re.findall(r"([a-z_]+)[!=]", selector)) - {"job", "instance"}
            assert labels <= ours.get(name, set()), (name, labels)
    assert recorded <= used
    # Whatever is counted is shown or watched.
    counted = {re.sub(r"_(bucket|sum|count|created)$", "", n) for n in ours} - {"langsteer"}
    families = {re.sub(r"_total$", "", n) for n in counted}
    assert {re.sub(r"_(bucket|total)$", "", n) for n in used} >= families


def test_every_alert_says_what_to_do_and_is_in_the_docs() -> None:
    for rule in rules("alerts.yaml"):
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "action"}
        assert f"| `{rule['alert']}` |" in OPERATIONS, rule["alert"]


def test_prometheus_takes_and_tests_the_rules(panels: ModuleType, tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    queries = [
        {"record": f"a:{n}", "expr": expr.replace("$__rate_interval", "5m")}
        for n, expr in enumerate(shown(panels))
    ]
    made = tmp_path / "dashboard.yaml"
    made.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": queries}]}))
    for command in (
        ["check", "config", "prometheus.yaml"],
        ["test", "rules", "rules.test.yaml"],
        ["check", "rules", str(made)],
    ):
        done = subprocess.run(
            ["promtool", *command], cwd=FOLDER, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_what_its_source_makes(panels: ModuleType) -> None:
    pytest.importorskip("grafana_foundation_sdk")
    made = load("dashboard")
    written = (FOLDER / "dashboard.json").read_text()
    assert made.dashboard() == written
    graphs = [panel for panel in json.loads(written)["panels"] if panel["type"] != "row"]
    assert [t["expr"] for graph in graphs for t in graph["targets"]] == shown(panels)
    # Nothing lies over anything else, or beside the page.
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in graphs]
    assert len({*places}) == len(graphs)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in graphs)
