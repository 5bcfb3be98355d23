"""`langsteer evaluate`, end to end on a tiny random model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from profiles.cli import app
from profiles.corpora import corpus
from profiles.judging.baselines import BASELINES
from profiles.judging.evaluate import Evaluation, _kept
from profiles.judging.judge import Verdict
from profiles.judging.record import FILE, SAMPLES

run = CliRunner().invoke
QUICK = ["--samples", "3", "--tokens", "5", "--held-out", "1"]


def ask(tiny: Path, profiles: Path, *options: str) -> Any:
    arguments = ["evaluate", str(tiny), "--profiles", str(profiles), *QUICK, *options]
    return run(app, arguments, catch_exceptions=False)


def test_every_cell_and_sample(tiny_folder: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "eval"
    sweep = ["--languages", "de", "--strengths", "0.5,1", "--out", str(out), "--json"]
    result = ask(tiny_folder, folder, *sweep)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found == json.loads((out / FILE).read_text(encoding="utf-8"))
    cells = [(c["role"], c["condition"], c["method"], c["strength"]) for c in found["cells"]]
    methods = [("unsteered", None), ("steered", 0.5), ("steered", 1.0)]
    towards = ("bos", "paragraph", "mid", "other")
    away = ("bos", "denied-paragraph", "denied-line", "denied-mid")
    assert cells == [
        *[("target", condition, *method) for condition in towards for method in methods],
        *[("suppress", condition, *method) for condition in away for method in methods],
    ]
    for cell in found["cells"]:
        assert cell["count"] == 3
        share = cell["success" if cell["role"] == "target" else "denied"]
        assert 0 <= share["low"] <= share["value"] <= share["high"] <= 1
        assert cell["bits_per_byte"]["value"] > 0
        assert len(cell["samples"]) == 3
        assert sum(cell["languages"].values()) == 3
    assert found["options"]["phase"] == "all"
    assert found["precision"] == "bfloat16"
    assert [(d["role"], d["strength"]) for d in found["damage"]] == [
        ("target", 0.5),
        ("target", 1.0),
        ("suppress", 0.5),
        ("suppress", 1.0),
    ]
    assert (
        set(found["damage"][0]["ratios"])
        == set(found["natural"])
        == set(found["text"]["languages"])
    )
    edited = found["neurons_edited"]["de"]["target"]
    assert edited == {"share": 2 / 64, "offset_layers": 1, "memory_layers": 0}
    lines = [json.loads(line) for line in (out / SAMPLES).read_text("utf-8").splitlines()]
    assert len(lines) == 3 * len(cells)


def test_unsteered_outputs_are_written_once_a_condition(
    tiny_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from profiles.judging import writer

    asked: list[int] = []
    generate = writer.generate

    def counted(*arguments: Any, **options: Any) -> Any:
        asked.append(len(arguments[1]))
        return generate(*arguments, **options)

    monkeypatch.setattr(writer, "generate", counted)
    options = ["--conditions", "bos", "--roles", "target", "--held-out", "0", "--json"]
    found = json.loads(ask(tiny_folder, folder, *options).stdout)
    assert len(found["cells"]) == 4  # two languages, with and without
    assert asked == [3, 3, 3]
    assert found["damage"] == []


def test_same_seed_same_outputs(tiny_folder: Path, folder: Path) -> None:
    options = ["--conditions", "bos", "--roles", "target", "--languages", "de", "--json"]
    once, again = (json.loads(ask(tiny_folder, folder, *options).stdout) for _ in range(2))
    assert once["cells"] == again["cells"]
    other = json.loads(ask(tiny_folder, folder, *options, "--seed", "7").stdout)
    assert other["cells"] != once["cells"]


def test_interrupted_and_resumed(
    tiny_folder: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--languages", "de", "--roles", "target", "--out", str(tmp_path / "part")]
    add, done = Evaluation._add, []

    def interrupted(self: Evaluation, *arguments: Any) -> None:
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(1)
        add(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Evaluation, "_add", interrupted)
        result = ask(tiny_folder, folder, *options)
    assert result.exit_code == 130
    partial = json.loads((tmp_path / "part" / FILE).read_text("utf-8"))
    assert len(partial["cells"]) == 5
    assert ask(tiny_folder, folder, *options, "--resume").exit_code == 0
    whole = [*options[:-1], str(tmp_path / "whole")]
    assert ask(tiny_folder, folder, *whole).exit_code == 0
    results = [json.loads((tmp_path / n / FILE).read_text("utf-8")) for n in ("part", "whole")]
    for name in ("cells", "damage", "averages", "natural"):
        assert results[0][name] == results[1][name]
    assert (tmp_path / "part" / SAMPLES).read_text("utf-8") == (
        tmp_path / "whole" / SAMPLES
    ).read_text("utf-8")


def test_baselines_and_content(
    tiny_folder: Path, folder: Path, corpus_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sacrebleu")
    small = corpus.read_corpus(str(corpus_folder))
    monkeypatch.setattr(corpus, "read_corpus", lambda: small)  # for the starter corpus, minutes
    options = ["--conditions", "bos,translate,answer,chat", "--baselines", "all", "--json"]
    result = ask(tiny_folder, folder, "--languages", "de", "--roles", "target", *options)
    found = json.loads(result.stdout)
    methods = {cell["method"] for cell in found["cells"]}
    skipped = {row["baseline"] for row in found["skipped"] if "baseline" in row}
    assert methods | skipped == {"unsteered", "steered", *BASELINES}
    assert {"instruction", "instruction-native", "logit-bias", "ap-median", "residual"} <= methods
    assert {"condition": "chat", "reason": "the model has no chat template"} in found["skipped"]
    cells = {(cell["condition"], cell["method"]): cell for cell in found["cells"]}
    asked = cells["bos", "instruction"]["samples"][0]["prompt"]
    assert asked == "Answer in German.\n\n"
    translated = cells["translate", "steered"]
    assert 0 <= translated["chrf"]["value"] <= 100
    assert 0 <= translated["meaning"]["value"] <= 1
    assert translated["kept"]["count"] == 3
    answered = cells["answer", "steered"]
    assert answered["answer"]["count"] == 3
    assert answered["kept"]["value"] <= answered["answer"]["value"]
    damaged = {row["method"] for row in found["damage"]}
    assert {"steered", "logit-bias", "ap-median", "residual"} <= damaged
    assert "instruction" not in damaged


def test_tables_and_plots(tiny_folder: Path, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = ask(tiny_folder, folder, "--out", str(tmp_path), "--plots")
    assert result.exit_code == 0, result.output
    for title in (
        "Mean over languages, towards the language",
        "Success by language",
        "Mean over languages, away from it",
        "goes to",
        "Perplexity of natural text",
    ):
        assert title in result.stdout
    assert "…" not in result.stdout  # nothing cut off
    for name in ("success", "damage-target", "damage-suppress"):
        assert (tmp_path / f"{name}.png").exists()


def test_kept_asks_for_language_and_content() -> None:
    def verdict(language: str) -> Verdict:
        return Verdict(
            text="", language=language, probability=1.0, repetitive=False, bits=None, bytes=0
        )

    found = _kept([verdict("de"), verdict("de"), verdict("en")], [True, False, True], "de-AT")
    assert found is not None
    assert found["value"] == pytest.approx(1 / 3, abs=1e-4)
