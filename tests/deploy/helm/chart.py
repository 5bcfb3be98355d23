"""The chart, rendered by Helm itself, and what tests want to know of what came out."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "langsteer"
EXAMPLES = {path.stem: path for path in sorted((CHART / "examples").glob("*.yaml"))}
RELEASE, NAMESPACE = "llm", "serving"
# The least that installs.
LEAST: dict[str, Any] = {
    "image": {"repository": "registry.example.com/langsteer"},
    "model": {"name": "example/model"},
    "profiles": {"volume": {"existingClaim": "profiles"}},
}
Object = dict[str, Any]


class RenderError(Exception):
    """Helm refused; the text is what it said."""


def merged(*values: dict[str, Any]) -> dict[str, Any]:
    """One mapping of several, as Helm merges values: later ones win, mappings are merged."""
    out: dict[str, Any] = {}
    for each in values:
        for key, value in each.items():
            both = isinstance(value, dict) and isinstance(out.get(key), dict)
            out[key] = merged(out[key], value) if both else value
    return out


@dataclass(frozen=True)
class Rendered:
    """What an installation would make.

    Attributes:
        objects: in the order they came.
        values: that it was rendered with, the defaults included.
    """

    objects: tuple[Object, ...]
    values: dict[str, Any]

    def all(self, kind: str) -> list[Object]:
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str) -> Object:
        found = self.all(kind)
        assert len(found) == 1, (kind, [each["metadata"]["name"] for each in found])
        return found[0]

    @property
    def pod(self) -> Object:
        """The server's pod: metadata and spec."""
        template = self.one("Deployment")["spec"]["template"]
        assert isinstance(template, dict)
        return template

    @property
    def server(self) -> Object:
        return container(self.pod["spec"], "server")

    @property
    def pods(self) -> list[Object]:
        """All pods: the server's and the test's."""
        return [self.pod, *self.all("Pod")]


def container(spec: Object, name: str) -> Object:
    (found,) = [each for each in containers(spec) if each["name"] == name]
    return found


def containers(spec: Object) -> Iterator[Object]:
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def matches(selector: Object, labels: Object) -> bool:
    return selector.items() <= labels.items()


def helm() -> str | None:
    """Helm's binary, or None."""
    return shutil.which("helm") or (str(KEPT) if KEPT.is_file() else None)


KEPT = ROOT / ".venv" / ".langsteer" / "helm" / "helm"


def render(*values: dict[str, Any], kube: str = "1.33.0", release: str = RELEASE) -> Rendered:
    """What Helm makes of the chart.

    Raises:
        RenderError: it refuses the values.
    """
    objects = _objects(json.dumps(merged(*values)), kube, release)
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    return Rendered(objects, merged(defaults, *values))


@cache
def _objects(values: str, kube: str, release: str) -> tuple[Object, ...]:
    text = _run(["template", release, "--kube-version", kube], values)
    # The dashboard is long, and PyYAML's own parser slow.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(each for each in yaml.load_all(text, loader) if each)


def notes(*values: dict[str, Any]) -> str:
    """What an installation says in the end."""
    options = ["install", RELEASE, "--dry-run=client", "--output=json"]
    said = json.loads(_run(options, json.dumps(merged(*values))))["info"]["notes"]
    assert isinstance(said, str)
    return said


def _run(arguments: list[str], values: str) -> str:
    found = helm()
    assert found
    done = subprocess.run(
        [found, *arguments, str(CHART), "--namespace", NAMESPACE, "--values", "-"],
        input=values,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RenderError(done.stderr)
    return done.stdout
