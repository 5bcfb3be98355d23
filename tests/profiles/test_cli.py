"""The offline verbs, end to end on a tiny random model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from profiles.cli import app
from profiles.store import read

run = CliRunner().invoke


@pytest.fixture(scope="module")
def made(
    tiny_folder: Path, corpus_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict]:  # type: ignore[type-arg]
    out = tmp_path_factory.mktemp("out") / "new" / "profiles"
    arguments = ["--corpus", str(corpus_folder), "--languages", "de,ja", "--out", str(out)]
    result = run(app, ["profile", str(tiny_folder), *arguments, "--method", "scored", "--json"])
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout)


def test_profile_writes_what_it_says(made: tuple[Path, dict], tiny_folder: Path) -> None:  # type: ignore[type-arg]
    out, summary = made
    assert sorted(f.name for f in out.iterdir()) == ["de.safetensors", "ja.safetensors"]
    rows = {row["language"]: row for row in summary["languages"]}
    assert set(rows) == {"de", "en", "ja"}
    assert "file" not in rows["en"]
    profile = read(out / "de.safetensors")
    assert rows["de"]["version"] == profile.version
    assert profile.model.name == str(tiny_folder)
    assert set(profile.edits()) == {"target", "suppress"}
    # Letters that one language alone has: some neuron must tell it apart.
    assert rows["de"]["scores"]["max"] > 0.9
    assert sum(rows["de"]["edits"]["target"]["neurons_per_layer"]) == len(
        profile.target.neurons  # type: ignore[union-attr, arg-type]
    )
    assert {tuple(p["languages"]) for p in summary["overlap"]} == {
        ("de", "en"),
        ("de", "ja"),
        ("en", "ja"),
    }
    assert set(summary["seconds"]) == {"activations", "scores", "edits"}


def test_tables_on_screen(
    made: tuple[Path, dict],  # type: ignore[type-arg]
    tiny_folder: Path,
    corpus_folder: Path,
    tmp_path: Path,
) -> None:
    options = ["--corpus", str(corpus_folder), "--out", str(tmp_path), "--languages", "ja"]
    result = run(app, ["profile", str(tiny_folder), *options])
    assert result.exit_code == 0, result.output
    assert "Overlap" in result.stdout
    result = run(app, ["inspect", str(made[0] / "de.safetensors")])
    assert result.exit_code == 0
    assert "provenance.method" in result.stdout


def test_learned(tiny_folder: Path, corpus_folder: Path, tmp_path: Path) -> None:
    options = ["--corpus", str(corpus_folder), "--out", str(tmp_path), "--languages", "ja"]
    run(app, ["profile", str(tiny_folder), *options])
    start = read(tmp_path / "ja.safetensors")
    result = run(
        app, ["profile", str(tiny_folder), *options, "--method", "learned", "--steps", "2"]
    )
    assert result.exit_code == 0, result.output
    found = read(tmp_path / "ja.safetensors")
    assert found.provenance["method"] == "learned"
    assert found.version != start.version


def test_inspect_json(made: tuple[Path, dict]) -> None:  # type: ignore[type-arg]
    result = run(app, ["inspect", str(made[0] / "de.safetensors"), "--json"])
    facts = json.loads(result.stdout)
    assert facts["language"] == "de"
    assert facts["created"].endswith("+00:00")
    assert facts["edits"]["target"]["neurons"] == 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["profile", "/no/such/model"], "no model folder '/no/such/model'"),
        (["profile", "demo", "--corpus", "/no/such/text"], "no corpus at /no/such/text"),
        (["profile", "demo", "--languages", "de,xx"], "no text in xx"),
        (["profile", "demo", "--languages", "klingon!"], "BCP 47"),
        (["inspect", "/no/such/de.safetensors"], "cannot read /no/such"),
    ],
)
def test_errors_are_one_line(arguments: list[str], message: str) -> None:
    result = run(app, arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not result.stdout


def test_usage_errors() -> None:
    assert run(app, ["profile", "demo", "--method", "magic"]).exit_code == 2
    assert run(app, ["profile", "demo", "--precision", "int3"]).exit_code == 2
    assert run(app, ["profile"]).exit_code == 2


def test_evaluate_refuses_another_models_profiles(
    made: tuple[Path, dict],  # type: ignore[type-arg]
    tiny_folder: Path,
    tmp_path: Path,
) -> None:
    import shutil

    other = Path(shutil.copytree(tiny_folder, tmp_path / "other"))
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    result = run(app, ["evaluate", str(other), "--profiles", str(made[0])])
    assert result.exit_code == 1
    assert "was made for another model" in result.stderr


def test_version() -> None:
    result = run(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("langsteer ")
