"""How the parts of a rendered chart fit each other, whatever the values."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from server import launch
from server.cli import add_serve
from tests.deploy.helm import chart
from tests.deploy.helm.chart import (
    NAMESPACE,
    RELEASE,
    Rendered,
    containers,
    matches,
)

pytestmark = pytest.mark.skipif(
    chart.helm() is None, reason="helm is not installed (deploy/setup_helm.sh)"
)


def test_everything_has_its_labels_and_place(made: Rendered) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in made.objects]
    assert len({*names}) == len(names)
    for each in made.objects:
        meta = each["metadata"]
        assert meta["namespace"] == NAMESPACE
        assert meta["labels"]["app.kubernetes.io/instance"] == RELEASE
        for key, value in meta["labels"].items():
            assert len(str(value)) <= 63, (key, value)


def test_selectors_find_the_servers_pods_and_no_others(made: Rendered) -> None:
    labels = made.pod["metadata"]["labels"]
    selectors = [
        made.one("Deployment")["spec"]["selector"]["matchLabels"],
        made.one("Service")["spec"]["selector"],
        *(each["spec"]["selector"]["matchLabels"] for each in made.all("PodDisruptionBudget")),
        *(each["spec"]["podSelector"]["matchLabels"] for each in made.all("NetworkPolicy")),
    ]
    for selector in selectors:
        assert selector
        assert matches(selector, labels)
        assert not matches(selector, made.one("Pod")["metadata"]["labels"])
    # What may change from one version to the next must not be in the one that cannot.
    assert not {"helm.sh/chart", "app.kubernetes.io/version"} & selectors[0].keys()
    for monitor in made.all("ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        assert matches(selector, made.one("Service")["metadata"]["labels"])
        assert monitor["spec"]["endpoints"][0]["port"] == "http"
    for each in made.all("ScaledObject") + made.all("HorizontalPodAutoscaler"):
        name = made.one("Deployment")["metadata"]["name"]
        assert each["spec"]["scaleTargetRef"]["name"] == name
        assert "replicas" not in made.one("Deployment")["spec"]
    for each in made.all("Ingress"):
        for rule in each["spec"]["rules"]:
            backend = rule["http"]["paths"][0]["backend"]["service"]
            assert backend["name"] == made.one("Service")["metadata"]["name"]


def test_every_mount_has_a_volume_and_every_volume_a_mount(made: Rendered) -> None:
    for pod in made.pods:
        spec = pod["spec"]
        volumes = [each["name"] for each in spec.get("volumes", [])]
        assert len({*volumes}) == len(volumes)
        mounted = set()
        for each in containers(spec):
            mounts = each.get("volumeMounts", [])
            mounted |= {mount["name"] for mount in mounts}
            places = [mount["mountPath"] for mount in mounts]
            assert len({*places}) == len(places), places
            # Of these a running pod would never see a change.
            for mount in mounts:
                assert not ("subPath" in mount and mount["name"] in {"policy", "access"})
        assert mounted == {*volumes}


def test_what_is_referred_to_is_made_here_or_named_in_the_values(made: Rendered) -> None:
    own = {(each["kind"], each["metadata"]["name"]) for each in made.objects}
    given = json.dumps(made.values)
    keys = {
        each["metadata"]["name"]: {*each["data"]}
        for each in made.all("ConfigMap") + made.all("Secret")
    }

    def check(kind: str, name: str) -> None:
        assert (kind, name) in own or f'"{name}"' in given, (kind, name)

    for pod in made.pods:
        spec = pod["spec"]
        check("ServiceAccount", spec["serviceAccountName"])
        for volume in spec.get("volumes", []):
            if claim := volume.get("persistentVolumeClaim"):
                check("PersistentVolumeClaim", claim["claimName"])
            for kind, field in (("ConfigMap", "configMap"), ("Secret", "secret")):
                if source := volume.get(field):
                    name = source.get("name") or source["secretName"]
                    check(kind, name)
                    wanted = {item["key"] for item in source.get("items", [])}
                    assert wanted <= keys.get(name, wanted)
        for each in containers(spec):
            names = [variable["name"] for variable in each.get("env", [])]
            assert len({*names}) == len(names), names
            for variable in each.get("env", []):
                if "valueFrom" in variable:
                    check("Secret", variable["valueFrom"]["secretKeyRef"]["name"])


def test_keys_are_nowhere_but_in_secrets(made: Rendered) -> None:
    for each in made.objects:
        if each["kind"] != "Secret":
            assert "ab" * 32 not in json.dumps(each), each["kind"]
    for pod in made.pods:
        for each in containers(pod["spec"]):
            for variable in each.get("env", []):
                if variable["name"] in {"HF_TOKEN", "VLLM_API_KEY"}:
                    assert variable["valueFrom"].keys() == {"secretKeyRef"}
            assert not any("api-key" in argument for argument in each.get("args", []))


def test_no_container_may_do_more_than_it_must(made: Rendered) -> None:
    for pod in made.pods:
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["fsGroup"] == 10001
        for each in containers(spec):
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            }
            assert each["resources"]["requests"].keys() >= {"cpu", "memory"}
            assert "memory" in each["resources"]["limits"]
    for each in made.all("ServiceAccount"):
        assert each["automountServiceAccountToken"] is False


def test_what_is_written_goes_where_it_may(made: Rendered) -> None:
    mounts = made.server["volumeMounts"]
    writable = {mount["mountPath"] for mount in mounts if not mount.get("readOnly")}
    assert writable >= {"/cache", "/tmp", "/dev/shm"}
    for variable in made.server["env"]:
        if re.search(r"HOME|_CACHE(_|$)|ROOT|BASE|PATH", variable["name"]):
            assert variable["value"].startswith("/cache"), variable
    for mount in mounts:
        if mount["name"] in {"policy", "access", "profiles", "model", "tls"}:
            assert mount["readOnly"] is True


def test_langsteer_takes_its_arguments(made: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(
        launch, "launch", lambda model, profiles, **more: seen.update(more, m=model, p=profiles)
    )
    app = typer.Typer()
    app.command("other")(lambda: None)
    add_serve(app)
    done = CliRunner().invoke(app, ["serve", *made.server["args"]])
    assert done.exit_code == 0, done.output
    serve = made.values["serve"]
    assert seen["m"] == made.values["model"]["name"]
    assert seen["max_strength"] == serve["maxStrength"]
    assert seen["model_aliases"] is serve["modelAliases"]
    assert seen["playground"] is serve["playground"]
    assert seen["monitor"]["monitor"] == serve["monitor"]
    mounted = {mount["mountPath"] for mount in made.server["volumeMounts"]}
    for file in (seen["policy"], seen["access"]):
        assert file is None or str(file.parent) in mounted
    source = made.values["profiles"]["source"]
    assert (str(seen["p"]) in mounted) == (source != "image")
    # Of these vLLM makes what it can; all others are options of its own.
    rest = [argument for argument in seen["rest"] if argument.startswith("--")]
    assert {"--host=0.0.0.0", "--port=8000"} <= {*rest}
