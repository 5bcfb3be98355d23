from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.monitor.answer_log import AnswerLog
from server.monitor.promise import Promise
from server.monitor.subject import Subject
from server.monitor.verdict import Finding
from server.monitor.watch import Seen
from tests.server.monitor import answers
from tests.server.monitor.test_tap import GERMAN, say

MISS = Seen(
    subject=Subject(
        promise=Promise(wanted="de", unwanted=("zh",)),
        route="/v1/completions",
        policy="r",
        tenant="acme",
        steering="de@1; strength=2; phase=all",
        strength=2.0,
        phase="all",
    ),
    part="answer",
    choice=1,
    finding=Finding(verdict="miss", found="en", shares={"en": 0.66666, "de": 0.33333}),
    characters=99,
    request_id="req-1",
    stream=True,
    kept='Call 0221 "now"\n{"forged": 1}\u2028 <script>',
)
HIT = replace(MISS, finding=Finding(verdict="hit", found="de", shares={"de": 1.0}))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., AnswerLog]]:
    made: list[AnswerLog] = []

    def log(name: str = "log.jsonl", **more: Any) -> AnswerLog:
        defaults = {"sample": 1.0, "sample_miss": 1.0, "text": "none"}
        made.append(AnswerLog(tmp_path / name, **{**defaults, **more}))
        return made[-1]

    yield log
    for each in made:
        each.close()


def lines(tmp_path: Path, name: str = "log.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / name).read_text().split("\n")[:-1]]


def test_what_a_line_holds(make: Any, tmp_path: Path) -> None:
    make().note(MISS)
    (line,) = lines(tmp_path)
    assert line.pop("time")[10:].endswith("+00:00")
    assert line == {
        "request_id": "req-1",
        "route": "/v1/completions",
        "policy": "r",
        "tenant": "acme",
        "choice": 1,
        "part": "answer",
        "stream": True,
        "wanted": "de",
        "unwanted": ["zh"],
        "found": "en",
        "verdict": "miss",
        "shares": {"en": 0.667, "de": 0.333},
        "steering": "de@1; strength=2; phase=all",
        "strength": 2.0,
        "phase": "all",
        "characters": 99,
    }
    assert (tmp_path / "log.jsonl").stat().st_mode & 0o777 == 0o600


def test_text_is_logged_only_as_far_as_asked(make: Any, tmp_path: Path) -> None:
    assert make().keeps == 0
    for text in ("redacted", "full"):
        make(text=text).note(MISS)
    redacted, full = lines(tmp_path)
    assert full["text"] == MISS.kept
    assert redacted["text"].startswith('Call 0000 "now"')
    assert "<script>" not in redacted["text"]


def test_an_answer_cannot_write_a_line_of_its_own(make: Any, tmp_path: Path) -> None:
    make(text="full").note(replace(MISS, kept='\n{"verdict": "hit"}\r\n\x85\x1b[2J\ud800'))
    raw = (tmp_path / "log.jsonl").read_bytes()
    assert raw.count(b"\n") == 1
    assert raw.isascii()
    assert b"\x1b" not in raw


def test_misses_and_others_are_sampled_at_their_own_rates(make: Any, tmp_path: Path) -> None:
    chances = iter([0.2, 0.2, 0.05, 0.6])
    log = make(sample=0.1, sample_miss=0.5, chance=lambda: next(chances))
    for seen in (HIT, MISS, HIT, MISS):
        log.note(seen)
    assert [line["verdict"] for line in lines(tmp_path)] == ["miss", "hit"]
    never = make(sample=0.0, sample_miss=0.0, chance=lambda: 0.0)
    never.note(MISS)
    assert len(lines(tmp_path)) == 2


def test_a_rotated_file_is_let_go(make: Any, tmp_path: Path) -> None:
    log = make()
    log.note(HIT)
    (tmp_path / "log.jsonl").rename(tmp_path / "log.jsonl.1")
    log.note(MISS)
    log.note(MISS)
    assert len(lines(tmp_path, "log.jsonl.1")) == 1
    assert len(lines(tmp_path)) == 2


def test_a_file_that_cannot_be_written_is_told_of_once_and_tried_again(
    make: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    log = make("no/log.jsonl", text="full")
    log.note(MISS)
    log.note(MISS)
    assert caplog.text.count("cannot write") == 1
    assert "forged" not in caplog.text
    (tmp_path / "no").mkdir()
    log.note(MISS)
    assert len(lines(tmp_path / "no")) == 1


async def test_from_a_request_to_a_line(ruled: Any, make: Any, tmp_path: Path) -> None:
    stack = ruled(everything=False, log=make(text="full"))
    say(stack, answers.completion_stream(GERMAN), stream=True)
    await stack.raw(b'{"steering": {"target": "de", "strength": 2}}')
    stack.judged()
    (line,) = lines(tmp_path)
    assert (line["verdict"], line["text"], line["request_id"]) == ("hit", GERMAN, "cmpl-1")
    assert line["steering"].startswith("de@")
    assert (line["strength"], line["phase"], line["characters"]) == (2.0, "all", len(GERMAN))
