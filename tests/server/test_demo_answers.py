"""The demo's verdict: what counts as steered, and what does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from server.demo_answers import Answer, findings, write
from server.demo_prompts import MIXED, STEERED, Ask, unsteered


def answer(text: str, language: str, steering: dict[str, Any] | None = None) -> Answer:
    return Answer(
        ask=Ask(prompt="Hello", steering=steering),
        text=text,
        language=language,
        probability=0.9,
        repetitive=False,
        applied=None,
    )


def test_more_answers_in_the_target_count_as_steered() -> None:
    seen = findings([answer("a cat", "en"), answer("eine Katze", "de", {"target": "de"})])
    assert (seen.target, seen.baseline, seen.changed) == (1, 0, 1)
    assert seen.steered
    assert seen.line().startswith("In the target language: 100% of the steered answers, 0%")


@pytest.mark.parametrize(
    ("text", "language"),
    [("a cat", "en"), ("a dog", "en")],
    ids=["the same answer", "another answer, not in the target"],
)
def test_no_more_answers_in_the_target_is_a_fault(text: str, language: str) -> None:
    assert not findings([answer("a cat", "en"), answer(text, language, {"target": "de"})]).steered


def test_a_target_the_model_writes_anyway_proves_nothing() -> None:
    seen = findings([answer("eine Katze", "de"), answer("ein Hund", "de", {"target": "de"})])
    assert not seen.steered


def test_suppression_is_counted_by_itself() -> None:
    seen = findings(
        [
            answer("一只猫", "zh"),
            answer("a cat", "en", {"suppress": ["zh"]}),
            answer("一只狗", "zh", {"suppress": ["zh"]}),
        ]
    )
    assert seen.suppressed == 0.5
    assert seen.target == 0


def test_both_files_hold_every_answer(tmp_path: Path) -> None:
    answers = [answer("a | b", "en"), answer("eine Katze", "de", {"target": "de"})]
    write(tmp_path, answers, findings(answers), {"model": "demo"})
    record = json.loads((tmp_path / "demo.json").read_text(encoding="utf-8"))
    assert [a["text"] for a in record["answers"]] == ["a | b", "eine Katze"]
    assert record["model"] == "demo"
    page = (tmp_path / "demo.md").read_text(encoding="utf-8")
    assert "a \\| b" in page
    assert findings(answers).line() in page


def test_the_demo_asks_what_it_promises() -> None:
    asks = [*STEERED, *MIXED]
    assert {a.target for a in asks} >= {"de", "ja", "zh"}
    assert any(a.suppress for a in asks)
    assert (
        len({a.steering["strength"] for a in asks if a.steering and "strength" in a.steering}) > 1
    )
    assert len(unsteered(STEERED)) >= 6
    assert len({a.label for a in MIXED}) > 3
