"""The offline verbs on a tiny mixture of experts: outputs are edited, neurons are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from profiles.cli import app
from profiles.store import read
from tests.tiny_model import save_model

run = CliRunner().invoke
QUICK = ["--samples", "2", "--tokens", "4", "--held-out", "1", "--conditions", "bos"]
QUICK += ["--baselines", "residual,ap-median"]


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As DeepSeek's and Qwen's: a dense layer, a mixture with shared experts."""
    return save_model(
        tmp_path_factory.mktemp("mixture"),
        "Qwen2Moe",
        hidden_size=16,
        intermediate_size=32,
        moe_intermediate_size=8,
        shared_expert_intermediate_size=24,
        num_hidden_layers=2,
        mlp_only_layers=[0],
        num_experts=4,
        num_experts_per_tok=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        initializer_range=0.2,
    )


@pytest.fixture(scope="module")
def made(
    mixture: Path, corpus_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], str]:
    out = tmp_path_factory.mktemp("out")
    options = ["--corpus", str(corpus_folder), "--languages", "ja", "--out", str(out)]
    result = run(app, ["profile", str(mixture), *options, "--steps", "4", "--json"])
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout), result.output


def test_memories_are_learned(made: tuple[Path, dict[str, Any], str], mixture: Path) -> None:
    out, summary, _ = made
    profile = read(out / "ja.safetensors")
    assert set(profile.edits()) == {"target", "suppress"}
    for edit in profile.edits().values():
        assert edit.neurons is None
        assert edit.offsets is None
        assert edit.memories is not None
        assert edit.memories.layer.tolist() == [0, 1]
        assert (abs(edit.memories.value).sum(1) > 0).all()
        assert (abs(edit.memories.key).sum(1) > 0).all()
    assert profile.model.intermediate_size == 32
    assert profile.provenance["corpus"]["sentences"] == 24
    assert "language_neurons" not in profile.provenance
    for account in profile.provenance["learning"].values():
        curve = account["memory"]["curve"]
        assert curve[-1][2] < curve[0][2], "the held-out loss falls"
    assert [row["language"] for row in summary["languages"]] == ["ja"]
    assert summary["overlap"] == []
    assert not any("suppress" in warning for warning in summary["warnings"])


def test_tables_pages_and_judgements_do_without_neurons(
    made: tuple[Path, dict[str, Any], str], mixture: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    out = made[0]
    options = ["--corpus", str(corpus_folder), "--languages", "ja", "--out", str(tmp_path / "p")]
    shown = run(app, ["profile", str(mixture), *options, "--steps", "1", "--no-calibrate"])
    assert shown.exit_code == 0, shown.output
    assert "2 memories" in shown.stdout
    assert run(app, ["inspect", "profile", str(out / "ja.safetensors")]).exit_code == 0
    page = run(app, ["report", "--profiles", str(out), "--out", str(tmp_path / "page.html")])
    assert page.exit_code == 0, page.output
    judged = run(app, ["evaluate", str(mixture), "--profiles", str(out), *QUICK, "--json"])
    assert judged.exit_code == 0, judged.output
    found = json.loads(judged.stdout)
    assert {cell["method"] for cell in found["cells"]} == {"unsteered", "steered", "residual"}
    reasons = [row["reason"] for row in found["skipped"]]
    assert "it edits neurons, and the model is a mixture of experts" in reasons


def test_offsets_are_learned_where_asked(
    mixture: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    options = ["--corpus", str(corpus_folder), "--languages", "ja", "--out", str(tmp_path)]
    options += ["--method", "learned-offset", "--steps", "4", "--no-calibrate"]
    result = run(app, ["profile", str(mixture), *options])
    assert result.exit_code == 0, result.output
    assert "suppress none" in result.stdout
    made = read(tmp_path / "ja.safetensors")
    edit = made.target
    assert made.suppress is None
    assert edit is not None
    assert edit.memories is None
    assert edit.offsets is not None
    assert edit.offsets.layer.tolist() == [0, 1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--method", "neurons"],
        ["--method", "scored"],
        ["--method", "offset"],
        ["--suppress", "ja", "--method", "learned-offset"],
        ["--score", "attribution"],
    ],
)
def test_what_takes_neurons_is_refused_before_any_work(
    arguments: list[str], mixture: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    options = ["--corpus", str(corpus_folder), "--languages", "ja", "--out", str(tmp_path)]
    _refused(run(app, ["profile", str(mixture), *options, *arguments]))
    assert not [*tmp_path.glob("*.safetensors")]


def test_scores_are_refused(mixture: Path, corpus_folder: Path) -> None:
    _refused(run(app, ["scores", str(mixture), "--corpus", str(corpus_folder)]))


def _refused(result: Any) -> None:
    assert result.exit_code == 1, result.output
    assert "Qwen2MoeForCausalLM is a mixture of experts (layer 1, mlp)" in result.stderr
    assert "Memories and offsets on those work" in result.stderr
