"""What Helm makes of the chart, against the schemas of Kubernetes and of operators."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import jsonschema
import pytest
import yaml

from tests.deploy.helm import chart
from tests.deploy.helm.cases import CASES
from tests.deploy.helm.chart import ROOT, Object, render

pytestmark = pytest.mark.skipif(
    chart.helm() is None, reason="helm is not installed (deploy/setup_helm.sh)"
)
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
COUNT = {"type": "string", "pattern": "^[0-9]+$"}


def shape(required: str = "", **properties: Any) -> dict[str, Any]:
    """A strict object: these properties and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": required.split(),
    }


def each(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": items}


# As far as the chart uses them, from the operators' references: their CRDs are in no package.
OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "ServiceMonitor": (
        "monitoring.coreos.com/v1",
        shape(
            "selector endpoints",
            namespaceSelector=shape(matchNames=each({"type": "string"})),
            selector=shape("matchLabels", matchLabels=TEXTS),
            endpoints=each(
                shape(
                    "port",
                    port={"type": "string"},
                    path={"type": "string"},
                    interval={"type": "string", "pattern": "^[0-9]+(ms|s|m)$"},
                    scheme={"enum": ["http", "https"]},
                    tlsConfig=shape(insecureSkipVerify={"type": "boolean"}),
                )
            ),
        ),
    ),
    "PrometheusRule": (
        "monitoring.coreos.com/v1",
        shape(
            "groups",
            groups=each(
                shape(
                    "name rules",
                    name={"type": "string"},
                    rules=each(
                        shape(
                            "expr",
                            record={"type": "string"},
                            alert={"type": "string"},
                            expr={"type": "string"},
                            **{"for": {"type": "string", "pattern": "^[0-9]+(s|m|h)$"}},
                            labels=TEXTS,
                            annotations=TEXTS,
                        )
                    ),
                )
            ),
        ),
    ),
    "ScaledObject": (
        "keda.sh/v1alpha1",
        shape(
            "scaleTargetRef triggers",
            scaleTargetRef=shape(
                "name",
                apiVersion={"type": "string"},
                kind={"type": "string"},
                name={"type": "string"},
            ),
            pollingInterval={"type": "integer"},
            minReplicaCount={"type": "integer", "minimum": 1},
            maxReplicaCount={"type": "integer"},
            advanced=shape(
                horizontalPodAutoscalerConfig=shape(behavior={"type": "object"}),
            ),
            triggers=each(
                shape(
                    "type metadata",
                    type={"const": "prometheus"},
                    metricType={"enum": ["AverageValue", "Value"]},
                    metadata=shape(
                        "serverAddress query threshold",
                        serverAddress={"type": "string", "pattern": "^https?://"},
                        query={"type": "string"},
                        threshold=COUNT,
                        ignoreNullValues={"enum": ["true", "false"]},
                    ),
                    authenticationRef=shape("name", name={"type": "string"}),
                )
            ),
        ),
    ),
}


def held(made: Object, version: str) -> None:
    """Raises where an object is not what its kind demands."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    if made["kind"] in OPERATORS:
        api, schema = OPERATORS[made["kind"]]
        assert made["apiVersion"] == api
        jsonschema.validate(made["spec"], schema, jsonschema.Draft7Validator)
    else:
        kubernetes_validate.validate(made, version, strict=True)


@cache
def held_once(made: str, version: str) -> None:
    """Much is the same from case to case."""
    held(json.loads(made), version)


@pytest.mark.parametrize("version", ["1.27.0", "latest"])
@pytest.mark.parametrize("case", CASES)
def test_what_is_made_is_of_the_schemas_of_its_kinds(case: str, version: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    if version == "latest":
        version = kubernetes_validate.latest_version()
    for made in render(CASES[case], kube=version).objects:
        held_once(json.dumps(made), version)


def test_a_schema_finds_what_is_wrong() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    made = render(CASES["everything"])
    deployment = made.one("Deployment")
    spec = deployment["spec"]
    with pytest.raises(kubernetes_validate.ValidationError):
        held({**deployment, "spec": {**spec, "replicass": 2}}, "1.33.0")
    with pytest.raises(kubernetes_validate.ValidationError):
        held({**deployment, "spec": {**spec, "minReadySeconds": "5"}}, "1.33.0")
    monitor = made.one("ServiceMonitor")
    with pytest.raises(jsonschema.ValidationError):
        held({**monitor, "spec": {**monitor["spec"], "port": "http"}}, "1.33.0")


def test_the_guides_inference_service_has_a_pod_of_kubernetes() -> None:
    """KServe's predictor takes a pod's own fields beside its own."""
    guide = (ROOT / "docs" / "kubernetes.md").read_text()
    (text,) = re.findall(r"```yaml\n(# KServe.*?)```", guide, re.DOTALL)
    predictor = yaml.safe_load(text)["spec"]["predictor"]
    spec = {k: v for k, v in predictor.items() if k not in {"minReplicas", "maxReplicas"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
    held(pod, "1.33.0")
    (server,) = spec["containers"]
    assert server["name"] == "kserve-container"
    mounted = {mount["name"] for mount in server["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}
    (timeout,) = [a.partition("=")[2] for a in server["args"] if a.startswith("--shutdown-timeout")]
    waits = server["lifecycle"]["preStop"]["exec"]["command"][1]
    assert spec["terminationGracePeriodSeconds"] >= int(timeout) + int(waits) + 20
