from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from server.cli import add_access
from server.keyring import hash_key
from tests.server.access.conftest import KEYS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "access.yaml"
    path.write_text(KEYS + "limits: {requests_per_minute: 60}\n")
    return path


def run(*arguments: Any, text: str | None = None) -> Result:
    app = typer.Typer()
    app.command("other")(lambda: None)
    add_access(app)
    return CliRunner().invoke(app, ["access", *map(str, arguments)], input=text)


def test_check(file: Path) -> None:
    result = run("check", file)
    assert (result.exit_code, "is valid." in result.output) == (0, True)
    assert "operators: 1 key, admin, 60 requests a minute, any number at once" in result.output
    facts = json.loads(run("check", file, "--json").output)
    assert (facts["valid"], facts["warnings"]) == (True, [])
    assert [key["name"] for key in facts["keys"]] == ["acme", "operators"]
    assert "sha256" not in json.dumps(facts)
    file.write_text("limits: {concurrent: 3}")
    output = run("check", file).output
    assert "each address: any number of requests a minute, 3 at once" in output
    assert "everybody who reaches the server" in output
    assert json.loads(run("check", file, "--json").output)["keys"] is None


def test_check_of_a_bad_file(file: Path) -> None:
    file.write_text(KEYS + "limits: {concurrent: many}\n")
    result = run("check", file)
    assert result.exit_code == 1
    said = 'limits.concurrent, line 5: must be a whole number; found "many"'
    assert f"{file}: {said}" in result.output
    result = run("check", file, "--json")
    facts = json.loads(result.output)
    assert (result.exit_code, facts["valid"], facts["file"]) == (1, False, str(file))
    assert facts["errors"] == [said]
    result = run("check", file.with_name("none.yaml"))
    assert (
        result.exit_code,
        f"{file.with_name('none.yaml')}: cannot read it: No such" in result.output,
    ) == (1, True)


def test_keys_are_hashed_as_a_policys_are() -> None:
    assert run("hash-key", text="my-key\n").output.strip() == hash_key("my-key")
    assert run("hash-key", text="\n").exit_code == 1
    assert run("hash-key", text="käse\n").exit_code == 1


def test_the_schema_describes_every_key() -> None:
    schema = json.loads(run("schema").output)
    assert set(schema["properties"]) == {"keys", "limits", "server"}
    for name in ("Key", "Limits", "ServerLimits"):
        fields = schema["$defs"][name]["properties"].values()
        assert all(field.get("description") for field in fields)
