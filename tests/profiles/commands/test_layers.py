from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from profiles.cli import app
from profiles.commands.layers import _FILE
from profiles.inside.layers import plots
from profiles.inside.layers.analyse import FILE
from tests.tiny_model import save_model

run = CliRunner().invoke
Folder = Callable[[int], Path]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A random model of so many layers."""

    def make(layers: int) -> Path:
        sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
        folder = tmp_path_factory.mktemp(f"of{layers}")
        return save_model(folder, num_hidden_layers=layers, num_key_value_heads=1, **sizes)

    return make


@pytest.fixture(scope="module")
def four(tiny: Folder) -> Path:
    return tiny(4)


def _json(*arguments: str) -> Any:
    result = run(app, ["layers", *arguments, "--precision", "fp32", "--draws", "20", "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_results_and_plots_are_stored(four: Path, corpus_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "layers"
    facts = _json(str(four), "--corpus", str(corpus_folder), "--out", str(out))
    assert facts == json.loads((out / FILE).read_text())
    names = {"specificity.png", "detectors.png", "combinators.png", "pairs.png", FILE}
    assert {file.name for file in out.iterdir()} == names
    for file in out.glob("*.png"):
        assert file.read_bytes().startswith(b"\x89PNG")
    assert facts["model"]["layers"] == facts["layers"] == 4
    assert facts["lines"] == 24
    assert facts["options"] == {"share": 0.01, "top": 0.05, "draws": 20, "seed": 0}
    again = _json(str(four), "--corpus", str(corpus_folder))
    assert again["measures"] == facts["measures"]


def test_on_screen(four: Path, corpus_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = run(app, ["layers", str(four), "--corpus", str(corpus_folder), "--draws", "20"])
    assert result.exit_code == 0, result.output
    assert "layers input 0, middle 1-2, output 3" in " ".join(result.stdout.split())
    for text in ("detectors", "combinators", "language-gap", "█", "specific to languages"):
        assert text in result.stdout
    # No cell was cut.
    assert "…" not in result.stdout


def test_only_the_languages_asked_for_are_compared(four: Path, corpus_folder: Path) -> None:
    facts = _json(str(four), "--corpus", str(corpus_folder), "--languages", "ja,de")
    assert facts["languages"] == ["ja", "de"]
    assert not [w for w in facts["warnings"] if w.startswith("en:")]


@pytest.mark.parametrize("layers", [2, 3])
def test_shallow_models(tiny: Folder, corpus_folder: Path, tmp_path: Path, layers: int) -> None:
    out = tmp_path / "out"
    facts = _json(str(tiny(layers)), "--corpus", str(corpus_folder), "--out", str(out))
    claims = [row for row in facts["measures"] if "verdict" in row]
    assert len(claims) == (0 if layers == 2 else 15)
    if layers == 2:
        assert "no middle" in facts["summary"][0]
    assert (out / "specificity.png").exists()


def test_what_cannot_be_compared_is_refused(
    tiny: Folder, four: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    def error(*arguments: str) -> str:
        result = run(app, ["layers", *arguments])
        assert result.exit_code == 1, result.output
        assert len(result.stderr.strip().splitlines()) == 1
        return result.stderr

    here = ["--corpus", str(corpus_folder)]
    assert "takes at least two" in error(str(four), *here, "--languages", "de")
    assert "has no text in fr" in error(str(four), *here, "--languages", "de,fr")
    assert "has 1 layer" in error(str(tiny(1)), *here)
    for tag in ("de", "en"):
        text = (corpus_folder / f"{tag}.txt").read_text()
        (tmp_path / f"{tag}.txt").write_text(text + "one more\n" * (tag == "en"))
    assert "different lengths (de 24, en 25)" in error(str(four), "--corpus", str(tmp_path))


def test_a_picture_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(draft: Path, **_: Any) -> None:
        draft.write_bytes(b"half")
        raise OSError("disk full")

    figure, _ = plots.plt.subplots()
    monkeypatch.setattr(figure, "savefig", fail)
    file = tmp_path / "x.png"
    file.write_bytes(b"old")
    with pytest.raises(OSError, match="disk full"):
        plots._save(figure, file)
    assert file.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [file]


def test_the_file_is_named_alike_in_the_help() -> None:
    assert _FILE == FILE


@pytest.mark.model
def test_the_demo_models_last_layers_are_specific(tmp_path: Path) -> None:
    """Few lines of three languages: enough for what the whole corpus shows."""
    facts = _json("demo", "--languages", "de,en,ja", "--limit", "30")
    rows = {(row["half"], row["name"]): row for row in facts["measures"]}
    for name in ("ap-share", "entropy", "correlation", "language-gap"):
        assert rows["detectors", name]["contrasts"]["output"]["outcome"] == "more"
    gains = rows["detectors", "translation-gain"]["layers"]["low"]
    assert max(gains) > 0.1
    assert not [w for w in facts["warnings"] if "aligned line by line" in w]
