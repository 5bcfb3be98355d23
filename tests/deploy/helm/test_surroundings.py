"""What the chart makes around its pods, and what they ask of a cluster."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.deploy.helm import chart
from tests.deploy.helm.cases import CASES, EVERYTHING
from tests.deploy.helm.chart import (
    LEAST,
    matches,
    render,
)

pytestmark = pytest.mark.skipif(
    chart.helm() is None, reason="helm is not installed (deploy/setup_helm.sh)"
)


def test_gpus_are_asked_for_where_there_are_to_be_some() -> None:
    def of(**values: Any) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
        made = render(LEAST, values)
        resources = made.server["resources"]
        return resources["requests"], resources["limits"], made.server["args"]

    requests, limits, args = of(tensorParallelSize=4)
    assert requests["nvidia.com/gpu"] == limits["nvidia.com/gpu"] == 4
    assert (requests["memory"], limits["memory"]) == ("16Gi", "32Gi")
    assert "--tensor-parallel-size=4" in args
    _, limits, args = of(gpu={"count": 2, "resource": "amd.com/gpu"})
    assert limits["amd.com/gpu"] == 2
    assert not any("tensor" in each for each in args)
    requests, limits, _ = of(device="cpu")
    assert not any("gpu" in name for name in {*requests, *limits})
    env = {each["name"]: each["value"] for each in render(LEAST, {"device": "cpu"}).server["env"]}
    assert env["VLLM_CPU_KVCACHE_SPACE"] == "4"
    assert render(LEAST, {"device": "cpu"}).server["image"].endswith("/langsteer:0.1.0-cpu")


@pytest.mark.parametrize(
    ("values", "pulls"),
    [
        ({}, True),
        ({"model": {"name": "/models/m", "volume": {"existingClaim": "c"}}}, False),
        ({"model": {"name": "demo"}, "profiles": {"source": "image"}}, False),
        ({"model": {"offline": True}, "cache": {"kind": "claim"}}, False),
        (
            {
                "model": {"name": "/model"},
                "profiles": {"source": "pull", "pull": {"sources": ["hf://a/b@v1"]}},
            },
            True,
        ),
    ],
)
def test_https_is_open_only_where_something_is_pulled(values: dict[str, Any], pulls: bool) -> None:
    spec = render(LEAST, values).one("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    ports = [{port["port"] for port in rule["ports"]} for rule in spec["egress"]]
    assert ports == ([{53}, {443}] if pulls else [{53}])
    assert all(rule["to"] for rule in spec["egress"])


def test_only_named_peers_reach_it() -> None:
    made = render(
        LEAST, {"networkPolicy": {"from": [{"podSelector": {"matchLabels": {"a": "b"}}}]}}
    )
    (rule,) = made.one("NetworkPolicy")["spec"]["ingress"]
    assert rule["ports"] == [{"port": "http", "protocol": "TCP"}]
    test, named = rule["from"]
    assert matches(test["podSelector"]["matchLabels"], made.one("Pod")["metadata"]["labels"])
    assert named == {"podSelector": {"matchLabels": {"a": "b"}}}


def test_the_rules_and_the_dashboard_are_those_of_deploy_monitoring() -> None:
    made = render(EVERYTHING)
    folder = chart.ROOT / "deploy" / "monitoring"
    groups = [
        group
        for name in ("rules.yaml", "alerts.yaml")
        for group in yaml.safe_load((folder / name).read_text())["groups"]
    ]
    assert made.one("PrometheusRule")["spec"]["groups"] == groups
    board = next(each for each in made.all("ConfigMap") if "langsteer.json" in each["data"])
    assert board["data"]["langsteer.json"] == (folder / "dashboard.json").read_text()
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_scaling_looks_at_vllms_queue() -> None:
    queries = [
        trigger["metadata"]["query"]
        for trigger in render(CASES["keda"]).one("ScaledObject")["spec"]["triggers"]
    ]
    of = '{namespace="serving", service="llm-langsteer"}'
    assert queries == [f"sum(vllm:num_requests_waiting{of})", f"sum(vllm:num_requests_running{of})"]
    metrics = render(EVERYTHING).one("HorizontalPodAutoscaler")["spec"]["metrics"]
    assert [each["pods"]["metric"]["name"] for each in metrics] == [
        "vllm_num_requests_waiting",
        "vllm_num_requests_running",
    ]
    assert not render(LEAST).all("ScaledObject") + render(LEAST).all("HorizontalPodAutoscaler")


def test_names_stay_names_however_long_the_releases_is() -> None:
    made = render(EVERYTHING, release="a" * 53)
    for each in made.objects:
        assert len(each["metadata"]["name"]) <= 63
    assert render(LEAST, release="langsteer").one("Service")["metadata"]["name"] == "langsteer"
    assert render(LEAST, {"fullnameOverride": "x"}).one("Service")["metadata"]["name"] == "x"


def test_the_notes_say_what_to_do_next() -> None:
    said = chart.notes(LEAST)
    assert "deployment/llm-langsteer" in said
    assert "up to 165 s" in said
    assert "whoever reaches it may use it" in said
    assert "whoever" not in chart.notes(LEAST, {"access": {"existingSecret": "a"}})
