from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from profiles.cli import app
from profiles.commands.scores import _SITES
from profiles.corpora.corpus import read_corpus
from profiles.finding.activations import record
from profiles.finding.average_precision import average_precision
from profiles.finding.sites import SITES
from profiles.models.model import load_model

run = CliRunner().invoke


def test_the_best_of_a_site_are_listed_by_layer(
    tiny_folder: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "scores.json"
    options = ["--corpus", str(corpus_folder), "--site", "attention", "--languages", "de,ja"]
    options += ["--units", "10", "--precision", "fp32", "--out", str(out), "--json"]
    result = run(app, ["scores", str(tiny_folder), *options])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts == json.loads(out.read_text())
    assert facts["projections"] == {
        "self_attn.q_proj": 16,
        "self_attn.k_proj": 8,
        "self_attn.v_proj": 8,
        "self_attn.o_proj": 16,
    }
    assert [row["language"] for row in facts["languages"]] == ["de", "ja"]
    assert facts["corpus"]["languages"] == ["de", "en", "ja"]
    assert [pair["languages"] for pair in facts["overlap"]] == [["de", "ja"]]

    corpus = read_corpus(str(corpus_folder))
    loaded = load_model(tiny_folder, "tiny", "fp32")
    activations = record(loaded, corpus, site="attention")
    flat = activations.means.reshape(len(activations.labels), -1)
    scores = average_precision(flat, activations.labels, 3)[0]
    best, worst = (facts["languages"][0][end]["units"] for end in ("best", "worst"))
    np.testing.assert_allclose([u[3] for u in best], np.sort(scores)[::-1][:10], atol=1e-4)
    np.testing.assert_allclose([u[3] for u in worst], np.sort(scores)[:10], atol=1e-4)
    layer, projection, index, value = best[0]
    start = {"self_attn.q_proj": 0, "self_attn.k_proj": 16, "self_attn.v_proj": 24}
    at = 48 * layer + start.get(projection, 32) + index
    assert scores[at] == pytest.approx(value, abs=1e-4)


def test_on_screen_and_without_the_worst_of_lape(tiny_folder: Path, corpus_folder: Path) -> None:
    options = ["--corpus", str(corpus_folder), "--languages", "ja", "--site", "mlp-linear"]
    result = run(app, ["scores", str(tiny_folder), *options, "--score", "lape"])
    assert result.exit_code == 0, result.output
    assert "mlp-linear" in result.stdout
    assert "best" in result.stdout
    assert not [line for line in result.stdout.splitlines() if "worst " in line and "│" in line]


def test_attribution_and_unknown_sites_are_usage_errors(tiny_folder: Path) -> None:
    for option in (["--score", "attribution"], ["--site", "residual"]):
        result = run(app, ["scores", str(tiny_folder), *option])
        assert result.exit_code == 2
        assert "is not one of" in result.stderr


def test_the_sites_on_the_command_line_are_all_there_are() -> None:
    assert _SITES == SITES
