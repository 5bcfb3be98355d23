"""`langsteer inspect` end to end on a tiny random model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from profiles.cli import app
from profiles.inside.memories.files import read_store
from profiles.store import read

run = CliRunner().invoke


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def in_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSTEER_CACHE", str(cache))
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture(scope="module")
def collected(tiny_folder: Path, corpus_folder: Path, cache: Path) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANGSTEER_CACHE", str(cache))
        options = ["--corpus", str(corpus_folder), "--positions", "9", "--json"]
        result = run(app, ["inspect", "collect", str(tiny_folder), *options])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def profiles(
    tiny_folder: Path, corpus_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """de of memories, ja of neurons."""
    out = tmp_path_factory.mktemp("profiles")
    options = ["--corpus", str(corpus_folder), "--out", str(out), "--no-calibrate", "--languages"]
    for tag, more in (("de", ["--steps", "3"]), ("ja", ["--method", "scored"])):
        made = run(app, ["profile", str(tiny_folder), *options, tag, *more])
        assert made.exit_code == 0, made.output
    return out


def ask(*arguments: str | Path, fails: bool = False) -> Any:
    result = run(app, ["inspect", *map(str, arguments)])
    assert result.exit_code == (1 if fails else 0), result.output
    return result.stderr if fails else result.stdout


def test_collect_says_what_it_wrote(collected: dict[str, Any], cache: Path) -> None:
    file = Path(collected["file"])
    assert file.parent == cache / "memories"
    assert file.is_file()
    assert set(collected["seconds"]) == {"tokens", "corpus", "values", "scores"}
    assert collected["positions"] == 9


def test_neuron(collected: dict[str, Any], tiny_folder: Path) -> None:
    facts = json.loads(ask("neuron", tiny_folder, "1.7", "--json"))
    assert (facts["layer"], facts["neuron"]) == (1, 7)
    high = facts["triggers"]["high"]
    assert len(high) == 10
    assert [t["coefficient"] for t in high] == sorted(
        (t["coefficient"] for t in high), reverse=True
    )
    # Languages here have letters of their own: the token says which one it is.
    letters = {"en": "abcdefg", "de": "hijklmn", "ja": "opqrstu"}
    assert all(t["token"] in letters[t["language"]] + " " for t in high)
    assert sum(facts["trigger_languages"]["high"].values()) == 10
    assert set(facts["scores"]) == {"ap", "lape", "mean-difference"}
    assert set(facts["scores"]["ap"]) == {"en", "de", "ja"}
    assert len(facts["value"]["promotes"]["tokens"]) == 10
    shown = ask("neuron", tiny_folder, "1.7")
    for what in ("highest coefficients", "+v promotes", "mean-difference", "Agreement"):
        assert what in shown
    assert "before [trigger]" in shown


def test_layer_and_model(collected: dict[str, Any], tiny_folder: Path, tmp_path: Path) -> None:
    facts = json.loads(ask("layer", tiny_folder, "1", "--json"))
    assert facts["refinement"]["after_is_final"] == 1
    assert "Best detectors" in ask("layer", tiny_folder, "1")
    whole = json.loads(ask("model", tiny_folder, "--json", "--plots", tmp_path / "plots"))
    assert [row["layer"] for row in whole["layers"]] == [0, 1]
    assert whole["layers"][1]["agreement"] == facts["agreement"]
    assert len(whole["plots"]) == 6
    assert all(Path(file).stat().st_size > 1000 for file in whole["plots"])
    assert "Refinement at 9 positions" in ask("model", tiny_folder)


def test_plots_that_cannot_be_written(
    collected: dict[str, Any], tiny_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    said = ask("model", tiny_folder, "--plots", tmp_path / "file" / "plots", fails=True)
    assert f"cannot write {tmp_path / 'file' / 'plots'}" in said
    assert len(said.splitlines()) == 1


def test_what_collect_keeps_is_bounded(
    tiny_folder: Path, corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiles.inside.memories.collect._LARGE", 1e6)
    out = tmp_path / "store"
    options = ["--corpus", str(corpus_folder), "--positions", "3", "--limit", "20", "--out", out]
    result = run(app, ["inspect", "collect", str(tiny_folder), *map(str, options)])
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert re.search(r"Written to .*, \d\d+ kB: tokens", " ".join(result.stdout.split()))
    much = ["--triggers", "1000000", "--tokens", "1000000"]
    result = run(app, ["inspect", "collect", str(tiny_folder), *map(str, options), *much])
    assert result.exit_code == 0, result.output
    store = read_store(out)
    tokens = sum(store.about["tokens"])
    assert store.triggers.high.shape[-1] == tokens < 5000
    assert store.values().tokens.shape[-1] == len(store.pieces)
    monkeypatch.setattr("profiles.inside.memories.collect._LARGE", 1e3)
    result = run(app, ["inspect", "collect", str(tiny_folder), *map(str, options)])
    assert "warning: 10 triggers and 10 tokens of each of 64 neurons" in result.stderr


def test_profile_with_memories(collected: dict[str, Any], profiles: Path) -> None:
    file = profiles / "de.safetensors"
    facts = json.loads(ask("profile", file, "--triggers", "--json"))
    says = facts["says"]
    assert set(says) == {"target", "suppress"}
    added = says["target"]["added"]
    assert [(row["kind"], row["layer"]) for row in added] == [("memory", 0), ("memory", 1)]
    assert says["target"]["whole"]["languages"] == ["en", "ja"]
    assert says["suppress"]["whole"]["languages"] == ["de"]
    assert sum(says["target"]["whole"]["edited"].values()) == pytest.approx(1, abs=0.01)
    keys = says["target"]["keys"]
    assert [row["layer"] for row in keys] == [0, 1]
    assert all(0 < value < 2 for row in keys for value in row["gate"].values())
    shown = ask("profile", "de", "--profiles", profiles, "--triggers")
    for what in ("memory 0, norm", "provenance.method", "gate of memory 1", "Gain most"):
        assert what in shown


def test_profile_with_neurons(collected: dict[str, Any], profiles: Path) -> None:
    says = json.loads(ask("profile", "ja", "--profiles", profiles, "--json"))["says"]
    edit = read(profiles / "ja.safetensors").target
    assert edit
    assert edit.neurons
    rows = says["target"]["neurons"]
    assert len(rows) == 10
    there = {*zip(edit.neurons.layer.tolist(), edit.neurons.neuron.tolist(), strict=True)}
    assert {(row["layer"], row["neuron"]) for row in rows} <= there
    assert says["target"]["added"][0]["kind"] == "neurons together"


def test_without_a_store(profiles: Path, tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANGSTEER_CACHE", str(tmp_path))
        said = ask("neuron", tiny_folder, "0.0", fails=True)
        assert f"run `langsteer inspect collect {tiny_folder}` first" in said
        assert "inspect collect" in ask("profile", profiles / "de.safetensors")
        alone = ask("profile", profiles / "de.safetensors", "--file-only")
    assert "provenance.method" in alone
    assert "inspect collect" not in alone


def test_what_does_not_exist(collected: dict[str, Any], profiles: Path, tiny_folder: Path) -> None:
    assert "layers 0 to 1 of neurons 0 to 31" in ask("neuron", tiny_folder, "2.0", fails=True)
    assert "layers 0 to 1" in ask("layer", tiny_folder, "7", fails=True)
    assert "has no profile of fr; it has de, ja" in ask(
        "profile", "fr", "--profiles", profiles, fails=True
    )
    assert "no profile file no-such-thing!" in ask("profile", "no-such-thing!", fails=True)
    result = run(app, ["inspect", "neuron", str(tiny_folder), "seven"])
    assert result.exit_code == 2
    assert "16.837" in result.output
