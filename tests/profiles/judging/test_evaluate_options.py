"""What `langsteer evaluate` makes of its options: chosen, refused, remembered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from profiles.cli import app
from profiles.judging.record import FILE

run = CliRunner().invoke
QUICK = ["--samples", "3", "--tokens", "5", "--held-out", "1"]


def ask(tiny: Path, profiles: Path, *options: str) -> Any:
    arguments = ["evaluate", str(tiny), "--profiles", str(profiles), *QUICK, *options]
    return run(app, arguments, catch_exceptions=False)


def over(corpus: Path, conditions: str) -> list[str]:
    """The options that judge with the corpus's text, under these conditions."""
    return ["--text", str(corpus), "--conditions", conditions]


def plain(tiny: Path, profiles: Path, *options: str) -> Any:
    """As `ask`, with no other options than these."""
    arguments = ["evaluate", str(tiny), "--profiles", str(profiles), *options]
    return run(app, arguments, catch_exceptions=False)


def test_no_condition_leaves_natural_text(
    tiny_folder: Path, folder: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    options = [*over(corpus_folder, "none"), "--held-out", "1", "--languages", "de", "--out"]
    baselines = ["--baselines", "instruction", "--plots"]
    result = plain(tiny_folder, folder, *options, str(tmp_path), *baselines)
    assert result.exit_code == 0, result.output
    assert "Perplexity of natural text" in result.stdout
    found = json.loads((tmp_path / FILE).read_text("utf-8"))
    assert found["cells"] == []
    assert [(d["role"], d["method"]) for d in found["damage"]] == [
        ("target", "steered"),
        ("suppress", "steered"),
    ]
    reasons = [row["reason"] for row in found["skipped"] if row.get("baseline") == "instruction"]
    assert reasons == ["it changes what is asked, and no --conditions ask anything"] * 2
    assert (tmp_path / "damage-target.png").exists()


@pytest.mark.parametrize(
    ("conditions", "cells"),
    [
        ("paragraph", [("target", "paragraph"), ("suppress", "denied-paragraph")]),
        ("denied-mid", [("suppress", "denied-mid")]),
        ("bos", [("target", "bos"), ("suppress", "bos")]),
    ],
)
def test_conditions_choose_for_both_roles(
    tiny_folder: Path,
    folder: Path,
    corpus_folder: Path,
    conditions: str,
    cells: list[tuple[str, str]],
) -> None:
    options = [*over(corpus_folder, conditions), "--languages", "de", "--held-out", "0", "--json"]
    found = json.loads(ask(tiny_folder, folder, *options).stdout)
    steered = [cell for cell in found["cells"] if cell["method"] == "steered"]
    assert [(cell["role"], cell["condition"]) for cell in steered] == cells


def test_a_role_that_no_profile_has_is_left_out_and_named(
    tiny_folder: Path, folder: Path, corpus_folder: Path
) -> None:
    options = [*over(corpus_folder, "bos"), "--languages", "ja", "--held-out", "0", "--json"]
    found = json.loads(ask(tiny_folder, folder, *options).stdout)
    assert {cell["role"] for cell in found["cells"]} == {"target"}
    why = "no profile of ja has an edit for it"
    assert {"role": "suppress", "reason": why} in found["skipped"]


def test_resumed_with_another_language(
    tiny_folder: Path, folder: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    options = [*over(corpus_folder, "bos"), "--held-out", "0", "--out", str(tmp_path)]
    assert ask(tiny_folder, folder, *options, "--languages", "de").exit_code == 0
    more = ["--languages", "ja", "--resume"]
    assert ask(tiny_folder, folder, *options, *more).exit_code == 0
    found = json.loads((tmp_path / FILE).read_text("utf-8"))
    assert set(found["profiles"]) == set(found["neurons_edited"]) == {"de", "ja"}
    for change, name in (
        (["--precision", "fp32"], "precision"),
        (["--phase", "decode"], "options"),
    ):
        result = ask(tiny_folder, folder, *options, *more, *change)
        assert result.exit_code == 1
        assert f"was made with another {name}" in result.stderr


def test_resumed_with_an_embedder(
    tiny_folder: Path, folder: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("sacrebleu")
    options = [*over(corpus_folder, "translate"), "--roles", "target", "--languages", "de"]
    options += ["--held-out", "0", "--out", str(tmp_path)]
    assert ask(tiny_folder, folder, *options).exit_code == 0
    result = ask(tiny_folder, folder, *options, "--resume", "--embedder", str(tiny_folder))
    assert result.exit_code == 1
    assert "was made with another meaning" in result.stderr


def test_answers_alone(tiny_folder: Path, folder: Path, corpus_folder: Path) -> None:
    options = [*over(corpus_folder, "bos,paragraph"), "--roles", "target", "--languages", "ja"]
    options += ["--held-out", "1", "--tokens", "12", "--temperature", "0", "--json"]
    every = json.loads(ask(tiny_folder, folder, *options).stdout)
    late = json.loads(ask(tiny_folder, folder, *options, "--phase", "decode").stdout)
    assert late["options"] == {**every["options"], "phase": "decode"}
    assert late["damage"] == every["damage"]
    cells = [[c for c in found["cells"] if c["condition"] == "bos"] for found in (every, late)]
    assert cells[0] == cells[1]  # BOS is the last prompt token


def test_nothing_could_be_measured(tiny_folder: Path, folder: Path, corpus_folder: Path) -> None:
    options = [*over(corpus_folder, "chat"), "--roles", "target", "--held-out", "0"]
    result = ask(tiny_folder, folder, *options)
    assert result.exit_code == 1
    assert "nothing could be measured: the model has no chat template" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--languages", "fr"], 1, "has no profile of fr; it has de, ja"),
        (["--conditions", "dream"], 2, "'dream' is not one of bos, paragraph"),
        (["--baselines", "luck"], 2, "'luck' is not one of instruction"),
        (["--strengths", "0.5,x"], 2, "not a list of numbers"),
        (["--strengths", "9"], 2, "not a list of numbers"),
        (["--text-lines", "7"], 2, "is not first:last"),
        (["--text", "/no/such/folder"], 1, "/no/such/folder holds no"),
        (["--conditions", ","], 2, "names nothing"),
        (["--phase", "late"], 2, "'late' is not one of all, decode"),
        (["--resume"], 2, "goes on from what --out holds"),
        (["--overwrite"], 2, "replaces what --out holds"),
        (["--out", "somewhere", "--overwrite", "--resume"], 2, "contradicts --resume"),
        (["--plots"], 2, "draws into --out"),
        (["--embedder", "/no/such/folder"], 2, "add translate to --conditions"),
        (["--api-key", "secret"], 2, "give --server too"),
        (["--conditions", "none", "--held-out", "0"], 2, "leaves nothing to measure"),
        (["--conditions", "other", "--roles", "suppress"], 2, "is not measured with --roles supp"),
        (["--server", "http://127.0.0.1:9"], 1, "no server at http://127.0.0.1:9"),
    ],
)
def test_errors(folder: Path, options: list[str], code: int, message: str) -> None:
    # That there is no such model would come out last.
    result = ask(Path("/no/such/model"), folder, *options)
    assert result.exit_code == code
    # Usage errors are framed and wrapped.
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_something_to_judge_is_needed() -> None:
    assert run(app, ["evaluate"]).exit_code == 2
    assert run(app, ["evaluate", "demo"]).exit_code == 2
