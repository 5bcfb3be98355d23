"""The chart's values, held to their schema, README and examples; without Helm."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import tomllib
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import yaml

from server.access.load import load as load_access
from server.policy.load import load as load_policy
from steering.request import MAX_STRENGTH
from tests.deploy.helm.chart import CHART, EXAMPLES, LEAST, ROOT, merged

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
CHECK = jsonschema.Draft7Validator(SCHEMA)


def wrong(values: dict[str, Any]) -> list[str]:
    return [error.json_path for error in CHECK.iter_errors(merged(VALUES, values))]


def at(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    return schema


def test_the_schema_is_one_and_takes_the_defaults_and_every_example() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert EXAMPLES
    for values in ({}, LEAST, *(yaml.safe_load(path.read_text()) for path in EXAMPLES.values())):
        assert wrong(values) == []


def test_the_schema_knows_the_values_that_there_are_and_no_others() -> None:
    def compare(schema: dict[str, Any], value: Any, path: str) -> None:
        schema = resolved(schema)
        if "properties" not in schema:
            return
        assert schema["additionalProperties"] is False, path
        # `resources` and `probes` leave some of Kubernetes' own out.
        assert value.keys() <= schema["properties"].keys(), path
        if path not in {"$.resources", "$.reload.resources"}:
            assert schema["properties"].keys() - {"global"} == value.keys(), path
        for key, each in value.items():
            compare(schema["properties"][key], each, f"{path}.{key}")

    compare(SCHEMA, VALUES, "$")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("imagee", {}),
        ("image.repositry", "x"),
        ("image.repository", "registry.example.com/langsteer:0.1.0"),
        ("image.digest", "0123"),
        ("image.pullPolicy", "always"),
        ("device", "tpu"),
        ("replicas", "2"),
        ("tensorParallelSize", 0),
        ("gpu.resource", "gpu"),
        ("cpu.kvCacheGiB", 0),
        ("model.name", "--port"),
        ("model.name", "a model"),
        ("model.volume.mountPath", "models"),
        ("model.volume.subPath", "/models"),
        ("model.token.existingSecret", "hf_SECRET"),
        ("profiles.source", "pvc"),
        ("profiles.pull.sources", ["http://example.com/profiles"]),
        ("profiles.pull.sources", "hf://a/b"),
        ("profiles.path", "relative"),
        ("cache.size", "lots"),
        ("cache.accessMode", "ReadOnlyMany"),
        ("serve.maxStrength", MAX_STRENGTH + 1),
        ("serve.maxStrength", 0),
        ("serve.monitor", False),
        ("serve.extraArgs", "--max-model-len 8192"),
        ("policy.content", {"version": 1}),
        ("apiKey", "secret"),
        ("apiKey.value", "secret"),
        ("resources.limits.memory", "32 GB"),
        ("resources.claims", []),
        ("startup.seconds", 10),
        ("drain.requestsSeconds", 0),
        ("drain.exitSeconds", 10),
        ("probes.liveness.path", "/health"),
        ("strategy.maxSurge", "one"),
        ("service.port", 0),
        ("ingress.hosts", ["https://llm.example.com"]),
        ("podDisruptionBudget.maxUnavailable", 0),
        ("podDisruptionBudget.maxUnavailable", "0%"),
        ("autoscaling.minReplicas", 0),
        ("autoscaling.kind", "vpa"),
        ("autoscaling.prometheus.serverAddress", "prometheus:9090"),
        ("monitoring.serviceMonitor.interval", 15),
        ("networkPolicy.from", {}),
        ("nodeSelector", {"gpu": True}),
        ("extraEnv", [{"name": "A", "value": 1}]),
        ("extraEnv", {"A": "1"}),
    ],
)
def test_what_is_no_value_is_refused_where_it_stands(path: str, value: Any) -> None:
    found = wrong(at(path, value))
    assert found
    place = "$." + path
    assert all(place.startswith(each) or each.startswith(place) for each in found)


def test_unless_it_is_of_helm_or_kubernetes() -> None:
    taken = {
        "global": {"anything": 1},
        "service.annotations": {"a": "b"},
        "strategy": {"maxSurge": "25%", "maxUnavailable": 0},
        "resources.limits": {"cpu": 2, "memory": "1.5Gi", "ephemeral-storage": "10Gi"},
        "model.name": "/models/Qwen3-8B",
        "image.repository": "localhost:5000/langsteer",
        "profiles.pull.sources": ["https://example.com/p/index.json", "hf://owner/repo@v1"],
    }
    for path, value in taken.items():
        assert wrong(at(path, value)) == [], path


def test_files_that_are_copies_are_equal_to_what_they_copy() -> None:
    for name in ("rules.yaml", "alerts.yaml", "dashboard.json"):
        source = ROOT / "deploy" / "monitoring" / name
        copied = CHART / "files" / name
        assert copied.read_text() == source.read_text(), f"cp {source} {copied}"


def test_the_chart_is_of_this_langsteer() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == project["version"]


def values_table() -> ModuleType:
    path = CHART.parent / "values_table.py"
    spec = importlib.util.spec_from_file_location("values_table", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_has_every_value() -> None:
    made = values_table()
    readme, text = (CHART / "README.md").read_text(), (CHART / "values.yaml").read_text()
    assert made.readme(readme, text) == readme, "python deploy/helm/values_table.py"
    with pytest.raises(ValueError, match=r"nothing about image\.other"):
        made.table(text.replace("image:\n", "image:\n  other: 1\n"))


def test_policies_of_examples_load() -> None:
    contents = [
        values["policy"]["content"]
        for path in EXAMPLES.values()
        if "policy" in (values := yaml.safe_load(path.read_text()))
    ]
    assert contents
    for content in contents:
        assert load_policy(content.encode()).warnings == ()


def test_the_guides_blocks_of_yaml_are_values_or_files_that_are_taken() -> None:
    guide = (ROOT / "docs" / "kubernetes.md").read_text()
    blocks = re.findall(r"```yaml\n(# ([^\n]*)\n.*?)```", guide, re.DOTALL)
    assert guide.count("```yaml") == len(blocks), "begin each with a line that says what it is"
    kinds = set()
    for text, title in blocks:
        kind = title.partition(" ")[0].rstrip(":")
        kinds.add(kind)
        if kind == "values.yaml":
            assert wrong(yaml.safe_load(text)) == [], title
        elif kind == "access.yaml":
            load_access(text.encode())
        elif kind == "policy.yaml":
            load_policy(text.encode())
        else:
            assert kind in {"KServe", "prometheus-adapter", "production-stack"}, title
            assert list(yaml.safe_load_all(text))
    assert "values.yaml" in kinds


def test_values_are_not_changed_by_merging() -> None:
    before = copy.deepcopy(VALUES)
    merged(VALUES, {"image": {"tag": "x"}})
    assert before == VALUES
