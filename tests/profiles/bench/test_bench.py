"""The benchmarks run, and both ways they compare find the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from profiles.bench import ap, finding
from profiles.bench.rounds import Comparison, compare


def test_rounds_alternate_after_a_warm_up() -> None:
    seen = []
    found = compare(lambda: seen.append("a"), lambda: seen.append("b") or 2.0, 3)  # type: ignore[func-returns-value]
    assert "".join(seen) == "ab" + "ab" + "ba" + "ab"
    assert list(found.second) == [2.0] * 3
    seen.clear()
    compare(lambda: seen.append("a"), lambda: seen.append("b"), 1, warm=False)
    assert seen == ["a", "b"]


def test_the_ratio_is_of_medians_and_the_spread_of_rounds() -> None:
    found = Comparison([1.0, 4.0, 10.0], [1.0, 2.0, 4.0])
    assert found.ratio == 2.0
    assert found.spread == (1.0, 2.5)
    facts = found.facts("plain", "ours")
    assert (facts["ratio"], facts["ratio_min"], facts["ratio_max"]) == (2.0, 1.0, 2.5)
    assert facts["plain_seconds"] == [1.0, 4.0, 10.0]


@pytest.mark.parametrize("full", [False, True])
def test_finding(
    tiny_folder: Path,
    corpus_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    full: bool,
) -> None:
    where = ["--model", str(tiny_folder), "--corpus", str(corpus_folder), "--precision", "fp32"]
    size = ["--languages", "2", "--sentences", "20", "--rounds", "1"]
    sample = ["--full"] if full else ["--plain-sentences", "6", "--plain-neurons", "5"]
    monkeypatch.setattr(sys, "argv", ["bench", *where, *size, *sample, "--json"])
    finding.main()
    found = json.loads(capsys.readouterr().out)
    assert found["collecting"]["ratio"] > 0
    plain = found["finding"]
    assert (plain["sentences"], plain["neurons"], plain["languages"]) == (40, 64, 2)
    assert plain["plain_extrapolated"] is not full
    assert (plain["plain_sentences"], plain["plain_neurons"]) == ((40, 64) if full else (6, 5))
    assert plain["largest_response_difference"] < 1e-3
    # Exactly the same but where rounding swaps two sentences.
    assert plain["largest_score_difference"] < 0.02
    finding.show(found)
    assert ("extrapolated" in capsys.readouterr().out) is not full


def test_extrapolation_is_linear(
    tiny_folder: Path, corpus_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from profiles.corpora.corpus import read_corpus
    from profiles.finding.activations import record
    from profiles.models.model import load_model

    loaded, corpus = load_model(tiny_folder, "tiny", "fp32"), read_corpus(str(corpus_folder))
    sample = finding.Sample(sentences=9, neurons=4)
    plain = finding._Plain(loaded, corpus, record(loaded, corpus), sample)
    # 72 sentences, 64 neurons; 2 seconds of responses and 3 of scores.
    clock = iter([0.0, 2.0, 10.0, 13.0])
    monkeypatch.setattr(finding.time, "perf_counter", lambda: next(clock))
    assert plain() == pytest.approx(2 * 72 / 9 + 3 * 64 / 4)


@pytest.mark.parametrize("mapped", [False, True])
def test_average_precision(mapped: bool) -> None:
    found = ap.measure(60, 300, 3, mapped=mapped)
    assert found["response_bytes"] == 2 * 60 * 300
    assert found["score_bytes"] == 4 * 3 * 300
    assert found["peak_resident_bytes"] >= found["response_bytes"]
    assert np.isfinite(found["seconds"])
