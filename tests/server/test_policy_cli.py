from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from server.cli import add_policy
from server.keyring import hash_key

POLICY = f"""
version: 1
defaults: {{steer: false}}
tenants: {{acme: [{hash_key("k")}]}}
rules:
  - name: acme
    when: {{tenant: acme, model: big}}
    steer: true
    target: [accept-language, {{language: ja}}]
    suppress: [nl]
    missing: unsteered
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


def run(*arguments: Any, text: str | bytes | None = None) -> Result:
    app = typer.Typer()
    app.command("other")(lambda: None)
    add_policy(app)
    return CliRunner().invoke(app, ["policy", *map(str, arguments)], input=text)


def test_check(file: Path, folder: Path) -> None:
    result = run("check", file)
    assert (result.exit_code, "is valid: 1 rules" in result.output) == (0, True)
    result = run("check", file, "--profiles", folder, "--json")
    facts = json.loads(result.output)
    assert (facts["valid"], facts["rules"], facts["tenants"]) == (True, ["acme"], ["acme"])
    assert facts["warnings"] == ["acme: no profile steers away from nl"]


def test_check_of_a_bad_file(file: Path) -> None:
    file.write_text(POLICY.replace("missing: unsteered", "missing: ignore"))
    result = run("check", file)
    assert result.exit_code == 1
    assert f"{file}: rules[0] (acme).missing, line 11" in result.output
    result = run("check", file, "--json")
    facts = json.loads(result.output)
    assert (result.exit_code, facts["valid"], facts["file"]) == (1, False, str(file))
    result = run("check", file.with_name("none.yaml"))
    assert (
        result.exit_code,
        f"{file.with_name('none.yaml')}: cannot read it: No such" in result.output,
    ) == (1, True)


def test_explain_names_rule_sources_and_outcome(file: Path, folder: Path) -> None:
    told = ("explain", file, "--profiles", folder, "--model", "big")
    header = ("--header", "Accept-Language: nl, de;q=0.5")
    facts = json.loads(run(*told, "--tenant", "acme", *header, "--json").output)
    assert (facts["rule"], facts["result"]) == ("acme", "steered")
    assert facts["sources"][0]["note"] == "de"
    assert facts["headers"]["X-Steering-Profile"].endswith("reason=no-suppress-profile:nl")
    shown = run(*told, "--tenant", "acme", *header).output
    for words in ("acme", "met", "accept-language", "Result: steered", "X-Steering-Policy: acme"):
        assert words in shown
    shown = run(*told).output
    assert "tenant is none" in shown
    assert "none; reason=exempt" in shown


def test_explain_takes_keys_bodies_and_routes(file: Path, folder: Path, tmp_path: Path) -> None:
    told = ("explain", file, "--profiles", folder, "--json")
    body = json.dumps({"model": "big", "steering": {"target": "de"}})
    (tmp_path / "body.json").write_text(body)
    for extra, text in (
        (("--key-stdin", "--body", tmp_path / "body.json"), "k\n"),
        (("--tenant", "acme", "--body", "-"), body),
    ):
        facts = json.loads(run(*told, *extra, text=text).output)
        assert (facts["rule"], facts["status"]) == ("acme", 403)
    facts = json.loads(run(*told, "--route", "/v1/chat/completions/batch").output)
    assert (facts["rule"], facts["result"]) == ("defaults", "exempt")
    facts = json.loads(run(*told, "--route", "/tokenize").output)
    assert facts["result"] == "passes"
    assert "makes no text" in run(*told[:-1], "--route", "/tokenize").output


def test_explain_reads_aliases_of_the_names_it_is_given(file: Path, folder: Path) -> None:
    body = json.dumps({"model": "big:de"})
    told = ("explain", file, "--profiles", folder, "--json", "--tenant", "acme", "--body", "-")
    facts = json.loads(run(*told, text=body).output)
    assert (facts["rule"], facts["result"]) == ("defaults", "exempt")
    facts = json.loads(run(*told, "--aliases-of", "big", text=body).output)
    assert (facts["rule"], facts["status"]) == ("acme", 403)
    result = run(*told, "--aliases-of", "big", text=json.dumps({"model": "big:nl"}))
    assert (result.exit_code, "available are de, ja" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--tenant", "nobody"), "no tenant nobody; known are acme"),
        (("--tenant", "acme", "--key-stdin"), "goes with neither"),
        (("--header", "Accept-Language de"), "is not 'Name: value'"),
        (("--body", "-"), "not valid JSON"),
        (("--body", "/"), "cannot read --body /: Is a directory"),
        (("--body", "/none/such"), "cannot read --body /none/such: No such file"),
    ],
)
def test_explain_of_what_is_no_request(
    file: Path, folder: Path, extra: tuple[str, ...], words: str
) -> None:
    result = run("explain", file, "--profiles", folder, *extra, text="{")
    assert (result.exit_code, words in result.output) == (1, True), result.output


def test_keys_are_hashed_from_standard_input() -> None:
    result = run("hash-key", text="my-key\n")
    assert result.output.strip() == hash_key("my-key")
    assert run("hash-key", text="\n").exit_code == 1


@pytest.mark.parametrize("data", ["käse\n".encode(), b"\xff\xfe\n", b"a b", b"x" * 5_000_000])
def test_what_is_no_key_is_not_hashed(data: bytes) -> None:
    result = run("hash-key", text=data)
    assert result.exit_code == 1
    assert "that is no API key" in result.output
    assert "sha256:" not in result.output


def test_the_schema_describes_every_key() -> None:
    schema = json.loads(run("schema").output)
    assert set(schema["properties"]) == {"version", "defaults", "tenants", "rules"}
    suppress = schema["$defs"]["Block"]["properties"]["suppress"]
    assert {each.get("type") for each in suppress["anyOf"][0]["anyOf"]} == {"array", "object"}
    for name in ("Block", "Rule", "When", "StrengthRange"):
        fields = schema["$defs"][name]["properties"].values()
        assert all(field.get("description") for field in fields)


def test_explain_shows_how_answers_are_judged(file: Path, folder: Path) -> None:
    file.write_text(
        "version: 1\ndefaults: {target: [{language: ja}], overrides: [strength], "
        "monitor: {tolerate: 0.25}, enforce: {strengths: [1.5, 2]}}"
    )
    told = ("explain", file, "--profiles", folder)
    shown = run(*told).output
    assert "Monitor: code, quotes not counted, 0.25 tolerated" in shown
    assert "Enforce: asks again on miss with 1.5, 2" in shown
    body = json.dumps({"stream": True, "steering": {"strength": 3}})
    assert "not this request: stream" in run(*told, "--body", "-", text=body).output
    capped = run(*told, "--body", "-", "--max-strength", "2.5", text=body).output
    assert "HTTP 400" in capped
