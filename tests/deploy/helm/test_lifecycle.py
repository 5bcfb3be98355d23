"""Pods of the chart: how they start, change and end."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from tests.deploy.helm import chart
from tests.deploy.helm.cases import ACCESS, EVERYTHING, KEY_OPTION, POLICY
from tests.deploy.helm.chart import (
    LEAST,
    Rendered,
    container,
    render,
)

pytestmark = pytest.mark.skipif(
    chart.helm() is None, reason="helm is not installed (deploy/setup_helm.sh)"
)


def budget(probe: dict[str, Any]) -> int:
    return int(probe["periodSeconds"] * probe["failureThreshold"])


def test_a_model_has_time_to_load_and_a_busy_server_is_not_restarted(made: Rendered) -> None:
    server = made.server
    seconds = made.values["startup"]["seconds"]
    assert seconds <= budget(server["startupProbe"]) < seconds + 10
    assert budget(server["livenessProbe"]) >= 60
    assert server["readinessProbe"]["failureThreshold"] > 1
    assert server["readinessProbe"]["timeoutSeconds"] > 1  # LANGSTEER_METRICS_TIMEOUT
    paths = {
        name: server[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")
    }
    assert [paths[name]["path"] for name in ("startup", "liveness")] == [
        "/steering/health/live"
    ] * 2
    assert paths["readiness"]["path"] == "/steering/health/ready"
    tls = bool(made.values["tls"]["existingSecret"])
    assert {probe["scheme"] for probe in paths.values()} == {"HTTPS" if tls else "HTTP"}
    assert {probe["port"] for probe in paths.values()} == {server["ports"][0]["name"]}


def test_streams_come_to_their_end(made: Rendered) -> None:
    spec, drain = made.pod["spec"], made.values["drain"]
    (timeout,) = [
        int(argument.partition("=")[2])
        for argument in made.server["args"]
        if argument.startswith("--shutdown-timeout=")
    ]
    assert timeout == drain["requestsSeconds"] > 0
    waits = made.server["lifecycle"]["preStop"]["sleep"]["seconds"]
    # A pod that is no longer ready is taken off after this long at most.
    assert waits >= 5
    grace = spec["terminationGracePeriodSeconds"]
    assert grace >= waits + timeout + 20
    assert (
        made.one("Deployment")["spec"]["progressDeadlineSeconds"]
        > grace + made.values["startup"]["seconds"]
    )
    rolling = made.one("Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == made.values["strategy"]


def test_an_older_cluster_sleeps_by_a_command() -> None:
    stop = render(LEAST, kube="1.29.0").server["lifecycle"]["preStop"]
    assert stop == {"exec": {"command": ["sleep", "15"]}}


def test_the_policy_and_the_access_file_arrive_as_they_were_written() -> None:
    made = render(EVERYTHING)
    policy = next(each for each in made.all("ConfigMap") if "policy.yaml" in each["data"])
    assert policy["data"]["policy.yaml"] == POLICY
    assert base64.b64decode(made.one("Secret")["data"]["access.yaml"]).decode() == ACCESS


def test_a_changed_policy_restarts_pods_unless_it_is_reloaded() -> None:
    def annotations(**values: Any) -> dict[str, str]:
        found = render(LEAST, values).pod["metadata"]["annotations"]
        assert isinstance(found, dict)
        return found

    first, second = ({"content": POLICY + f"# {n}\n"} for n in range(2))
    assert annotations(policy=first) != annotations(policy=second)
    assert annotations(access=first) != annotations(access=second)
    on = {"enabled": True}
    assert annotations(policy=first, reload=on) == annotations(policy=second, reload=on)
    revisions = [annotations(profiles={"revision": each}) for each in ("1", "2")]
    assert revisions[0] != revisions[1]


def test_the_reload_sees_the_files_that_the_server_does() -> None:
    made = render(EVERYTHING)
    side = container(made.pod["spec"], "reload")
    for name in ("policy", "access"):
        (own,) = [arg for arg in made.server["args"] if arg.startswith(f"--{name}=")]
        assert own in side["args"]
    seen, served = (
        {mount["name"]: mount for mount in each["volumeMounts"]} for each in (side, made.server)
    )
    for name in ("policy", "access", "profiles"):
        assert seen[name] == served[name]
    assert "--url=https://127.0.0.1:8000" in side["args"]
    scripts = next(each for each in made.all("ConfigMap") if "reload.py" in each["data"])
    written = (chart.CHART / "files" / "reload.py").read_text()
    assert scripts["data"]["reload.py"] == written
    assert "checksum/scripts" in made.pod["metadata"]["annotations"]
    assert (
        made.one("Pod")["spec"]["containers"][0]["args"][0]
        == (chart.CHART / "files" / "smoke.py").read_text()
    )


def test_a_policys_digest_is_of_the_policy() -> None:
    found = render(LEAST, {"policy": {"content": POLICY}}).pod["metadata"]["annotations"]
    assert found["checksum/policy"] == hashlib.sha256(POLICY.encode()).hexdigest()


def test_profiles_are_pulled_before_the_server_starts() -> None:
    sources = ["hf://a/b@v1", "https://example.com/c"]
    made = render(
        LEAST,
        {
            "profiles": {
                "source": "pull",
                "pull": {"sources": sources, "args": ["--languages=de"]},
                "publicKey": "RWQ",
            },
            "model": {"token": {"existingSecret": "hub"}},
        },
    )
    for n, source in enumerate(sources):
        first = container(made.pod["spec"], f"pull-profiles-{n}")
        assert first["command"] == ["langsteer", "profiles", "pull"]
        assert first["args"] == [source, "--into=/profiles", KEY_OPTION, "--languages=de"]
        assert "HF_TOKEN" in {variable["name"] for variable in first["env"]}
        written = next(mount for mount in first["volumeMounts"] if mount["name"] == "profiles")
        assert not written.get("readOnly")
    assert KEY_OPTION.replace("--key", "--profile-key") in made.server["args"]
    key = next(each for each in made.all("ConfigMap") if "profiles.pub" in each["data"])
    assert key["data"]["profiles.pub"] == "RWQ"
