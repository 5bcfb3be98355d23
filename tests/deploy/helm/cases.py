"""Values to render the chart with: from the least to everything."""

from __future__ import annotations

from typing import Any

import yaml

from tests.deploy.helm.chart import EXAMPLES, LEAST

ACCESS = "keys:\n  - name: a\n    hashes: ['sha256:" + "ab" * 32 + "']\n"
KEY_OPTION = "--key=/etc/langsteer/profile-key/profiles.pub"
POLICY = "version: 1\ndefaults: {suppress: [zh]}\n"
EVERYTHING = {
    **LEAST,
    "policy": {"content": POLICY},
    "access": {"content": ACCESS},
    "operatorKey": {"existingSecret": "operator"},
    "reload": {"enabled": True},
    "tls": {"existingSecret": "cert"},
    "model": {
        "name": "/models/m",
        "servedNames": ["a", "b"],
        "volume": {"existingClaim": "models", "subPath": "m"},
        "token": {"existingSecret": "hub"},
    },
    "cache": {"kind": "claim", "storageClass": "fast"},
    "tensorParallelSize": 2,
    "serve": {"modelAliases": True, "playground": True, "extraArgs": ["--max-model-len=99"]},
    "image": {
        "repository": "r.example.com:5000/l",
        "digest": "sha256:" + "0" * 64,
        "pullSecrets": ["pull"],
    },
    "ingress": {"enabled": True, "className": "c", "hosts": ["a.example.com"], "tlsSecret": "t"},
    "autoscaling": {"enabled": True, "kind": "hpa", "runningPerReplica": 9},
    "monitoring": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "p"}},
        "rules": {"enabled": True, "labels": {"release": "p"}},
        "dashboard": {"enabled": True},
    },
    "networkPolicy": {
        "scrapersFrom": [{"podSelector": {"matchLabels": {"a": "b"}}}],
        "extraEgress": [{"ports": [{"port": 4317, "protocol": "TCP"}]}],
    },
    "serviceAccount": {"name": "own", "annotations": {"a": "b"}},
    "service": {"port": 80, "annotations": {"a": "b"}},
    "commonLabels": {"team": "nlp"},
    "podLabels": {"zone": "x"},
    "podAnnotations": {"a": "b"},
    "extraEnv": [{"name": "OTEL_SERVICE_NAME", "value": "llm"}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "affinity": {"nodeAffinity": {}},
    "nodeSelector": {"a": "b"},
    "tolerations": [{"operator": "Exists"}],
    "priorityClassName": "high",
    "runtimeClassName": "nvidia",
}
CASES: dict[str, dict[str, Any]] = {
    "least": LEAST,
    "everything": EVERYTHING,
    "keda": {
        **EVERYTHING,
        "autoscaling": {
            "enabled": True,
            "runningPerReplica": 9,
            "prometheus": {"serverAddress": "http://p:9090", "authenticationRef": "auth"},
        },
    },
    "image": {**LEAST, "profiles": {"source": "image"}, "model": {"name": "demo"}},
    "others": {
        **LEAST,
        "policy": {"existingSecret": "policies", "key": "p.yaml"},
        "access": {"existingSecret": "access"},
        "cache": {"kind": "claim", "existingClaim": "cache"},
        "serviceAccount": {"create": False, "name": "theirs"},
        "networkPolicy": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
    },
    **{name: yaml.safe_load(path.read_text()) for name, path in EXAMPLES.items()},
}
