"""deploy/ray and docs/ray.md, held to the code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import yaml

from server.on_ray.options import Options

ROOT = Path(__file__).parents[2]


def test_the_example_is_an_application_that_can_be_built() -> None:
    (application,) = yaml.safe_load((ROOT / "deploy/ray/serve.yaml").read_text())["applications"]
    module, _, function = application["import_path"].partition(":")
    assert (module, function) == ("server.on_ray.application", "build")
    assert importlib.util.find_spec(module) is not None
    made = Options.model_validate(application["args"])
    assert (made.replicas, made.gpus) == (2, 1)
    assert made.options == ("--max-num-seqs", "256")


def test_every_argument_is_in_the_table_with_its_default() -> None:
    text = (ROOT / "docs/ray.md").read_text().partition("| Argument |")[2].partition("\n\n")[0]
    listed: dict[str, str] = {}
    for names, defaults in re.findall(r"^\| (`[^|]+) \| ([^|]*)\|", text, re.MULTILINE):
        found = re.findall(r"`(\w+)`", names)
        values = [value.strip(" `") for value in defaults.split(",")]
        listed |= dict(zip(found, values + [""] * (len(found) - len(values)), strict=True))
    assert listed.keys() == Options.model_fields.keys()
    for name, shown in listed.items():
        field = Options.model_fields[name]
        default = field.get_default(call_default_factory=True)
        empty = field.is_required() or default in (None, (), {})
        assert shown == (
            "" if empty else f"{default:g}" if not isinstance(default, str) else default
        )
