"""Values that the chart refuses, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.helm import chart
from tests.deploy.helm.cases import ACCESS, POLICY
from tests.deploy.helm.chart import (
    LEAST,
    RenderError,
    render,
)

pytestmark = pytest.mark.skipif(
    chart.helm() is None, reason="helm is not installed (deploy/setup_helm.sh)"
)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"image": {"repository": ""}}, "image.repository is empty"),
        ({"model": {"name": ""}}, "model.name is empty"),
        ({"model": {"name": "/models/m"}}, "set model.volume.existingClaim"),
        ({"profiles": {"volume": {"existingClaim": ""}}}, "set profiles.volume.existingClaim"),
        ({"profiles": {"source": "pull"}}, "set profiles.pull.sources"),
        ({"model": {"offline": True}}, "neither a folder nor in a cache that lasts"),
        ({"policy": {"content": POLICY, "existingSecret": "s"}}, "policy has more than one of"),
        ({"access": {"content": ACCESS, "existingSecret": "s"}}, "access has both"),
        ({"access": {"content": ACCESS}, "apiKey": {"existingSecret": "s"}}, "one of each"),
        (
            {
                "reload": {"enabled": True},
                "model": {"name": "demo"},
                "profiles": {"source": "image"},
            },
            "there is nothing to reload",
        ),
        (
            {"reload": {"enabled": True}, "access": {"content": ACCESS}},
            "set operatorKey.existingSecret",
        ),
        ({"gpu": {"count": 1}, "tensorParallelSize": 2}, "gpu.count is 1, fewer than"),
        ({"strategy": {"maxSurge": 0}}, "no pod could ever be replaced"),
        (
            {"autoscaling": {"enabled": True, "minReplicas": 5}},
            "autoscaling.maxReplicas is 4, less than minReplicas, 5",
        ),
        ({"autoscaling": {"enabled": True}}, "set autoscaling.prometheus.serverAddress"),
        ({"ingress": {"enabled": True}}, "set ingress.hosts"),
        ({"serve": {"extraArgs": ["--api-key", "k"]}}, "has --api-key: set apiKey.existingSecret"),
        ({"serve": {"extraArgs": ["--shutdown_timeout=9"]}}, "set drain.requestsSeconds instead"),
        ({"extraEnv": [{"name": "HF_TOKEN", "value": "t"}]}, "set model.token.existingSecret"),
    ],
)
def test_values_that_do_not_go_together_are_refused_in_words(
    values: dict[str, Any], said: str
) -> None:
    with pytest.raises(RenderError) as caught:
        render(LEAST, values)
    assert said in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(RenderError) as caught:
        render({})
    text = str(caught.value)
    assert "image.repository" in text
    assert "model.name" in text
    assert "profiles.volume.existingClaim" in text


def test_helm_holds_values_against_the_schema() -> None:
    with pytest.raises(RenderError, match="repositry"):
        render(LEAST, {"image": {"repositry": "x"}})
    with pytest.raises(RenderError, match="schema"):
        render(LEAST, {"replicas": "two"})
