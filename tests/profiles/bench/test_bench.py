"""The benchmarks run, and both ways they compare find the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiles.bench import ap, finding, inside_layers, inside_memories, learning
from profiles.bench.plain import plain_selection
from profiles.bench.rounds import Comparison, compare
from profiles.bench.text import bench_corpus

Bench = Callable[..., Any]


@pytest.fixture
def bench(
    tiny_folder: Path,
    corpus_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Bench:
    """Runs a benchmark's `main` with options, on a tiny model; returns the JSON it prints."""
    where = ["--model", str(tiny_folder), "--corpus", str(corpus_folder), "--precision", "fp32"]

    def run(main: Callable[[], None], *options: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["bench", *where, *options, "--json"])
        main()
        return json.loads(capsys.readouterr().out)

    return run


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
    assert not [name for name in facts if "tokens" in name]
    facts = found.facts("plain", "ours", 100)
    assert (facts["plain_tokens_per_second"], facts["ours_tokens_per_second"]) == (25, 50)


@pytest.mark.parametrize("full", [False, True])
def test_finding(bench: Bench, capsys: pytest.CaptureFixture[str], full: bool) -> None:
    size = ["--languages", "2", "--sentences", "30", "--rounds", "1"]
    sample = ["--full"] if full else ["--plain-sentences", "6", "--plain-neurons", "5"]
    found = bench(finding.main, *size, *sample)
    assert found["collecting"]["ratio"] > 0
    assert found["joined_sentences"] == 12
    plain = found["finding"]
    assert (plain["sentences"], plain["neurons"], plain["languages"]) == (60, 64, 2)
    assert plain["plain_extrapolated"] is not full
    assert (plain["plain_sentences"], plain["plain_neurons"]) == ((60, 64) if full else (6, 5))
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
    found = ap.measure(60, 300, 3, mapped=mapped, rounds=2)
    assert len(found["seconds_each"]) == 2
    assert found["largest_score_difference"] < 1e-5
    assert found["response_bytes"] == 2 * 60 * 300
    assert found["score_bytes"] == 4 * 3 * 300
    assert found["peak_resident_bytes"] >= found["response_bytes"]
    assert np.isfinite(found["seconds"])


def test_short_texts_are_filled_up_with_pairs(corpus_folder: Path) -> None:
    corpus, joined = bench_corpus(str(corpus_folder), 2, 60)
    assert joined == 2 * 36
    for texts in corpus.texts.values():
        assert len({*texts}) == 60
        assert texts[24] == f"{texts[0]} {texts[1]}"
    assert bench_corpus(str(corpus_folder), 3, 20)[1] == 0
    with pytest.raises(ValueError, match="has 3 languages, 4 are asked for"):
        bench_corpus(str(corpus_folder), 4, 20)
    with pytest.raises(ValueError, match="24 lines make no 600"):
        bench_corpus(str(corpus_folder), 2, 600)


def test_the_plain_way_runs_sentences_of_all_lengths(
    tiny_folder: Path,
) -> None:
    from profiles.models.model import load_model

    loaded = load_model(tiny_folder, "tiny", "fp32")
    texts = ["x" * (1 + 7 * n % 10) for n in range(10)]
    chosen = finding._of_all_lengths(loaded, texts, 5)
    assert sorted(len(texts[n]) for n in chosen) == [2, 4, 6, 8, 10]
    assert finding._of_all_lengths(loaded, texts, 10) == [*range(10)]


def test_the_plain_selection_is_top_and_bottom() -> None:
    scores = np.array([[0.5, 0.1, 0.9, 0.3, 0.7]])
    assert plain_selection(scores, 4) == [[1, 3, 4, 2]]
    assert sorted(plain_selection(scores, 99)[0]) == [*range(5)]


def test_inside_layers(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--languages", "2", "--lines", "20", "--draws", "5", "--rounds", "1"]
    found = bench(inside_layers.main, *size)
    assert (found["languages"], found["lines"], found["draws"]) == (2, 20, 5)
    assert found["reading"]["ratio"] > 0
    assert found["all"]["ratio"] > 0
    inside_layers.show(found)
    assert "times the bare forward passes" in capsys.readouterr().out


@pytest.mark.parametrize("whole", [True, False])
def test_learning(bench: Bench, capsys: pytest.CaptureFixture[str], whole: bool) -> None:
    steps = ["--steps", "3", "--rounds", "2", "--target-steps", "2" if whole else "0"]
    found = bench(learning.main, *steps)
    facts = found["learning"]
    # The held-out looks and the unedited model's answers are no training batches.
    assert facts["steps"] == 3
    # At most 16 examples of BOS, 80 tokens of context, where text goes on, and 24 of text.
    assert 3 * 16 * 10 < facts["tokens"] <= 3 * 16 * 105
    assert len(facts["learned_seconds"]) == len(facts["bare_seconds"]) == 2
    # It does what the bare passes do, and more.
    assert facts["ratio"] > 0
    assert ("one_target" in found) is whole
    if whole:
        assert found["one_target"]["steps"] == 2
        assert found["one_target"]["calibration_seconds"] > 0
    learning.show(found)
    assert ("from beginning to end" in capsys.readouterr().out) is whole


def test_inside_memories(bench: Bench) -> None:
    options = ["--rounds", "1", "--languages", "3", "--sentences", "20", "--positions", "6"]
    found = bench(inside_memories.main, *options, "--neurons", "16", "--cpu-time")
    assert found["listening"]["ratio"] > 0
    assert found["listening"]["positions"] == 6
    assert (found["values"]["neurons"], found["values"]["all_neurons"]) == (16, 64)
