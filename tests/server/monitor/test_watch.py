from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.monitor.promise import Promise
from server.monitor.subject import Subject
from server.monitor.verdict import Finding
from server.monitor.watch import Seen, Watch
from tests.server.monitor import answers

SUBJECT = Subject(promise=Promise(wanted="D"), route="/v1/completions")


@dataclass
class Reported:
    seen: list[Seen] = field(default_factory=list)
    slips: list[int] = field(default_factory=list)
    unreadable: int = 0
    pauses: int = 0

    def answered(self, seen: Seen) -> None:
        self.seen.append(seen)

    def slipped(self, subject: Subject, finding: Finding, characters: int) -> None:
        self.slips.append(characters)

    def unread(self) -> None:
        self.unreadable += 1

    def pause(self) -> None:
        self.pauses += 1


def watched(*chunks: bytes, stream: bool = True, keep: int = 50) -> Reported:
    reported = Reported()
    watch = Watch(
        SUBJECT,
        stream=stream,
        request_id="",
        reports=reported,
        # A language that needs no model: that of the capital a stretch begins with.
        language=lambda text: text[:1],
        pause=reported.pause,
        keep=keep,
    )
    for chunk in chunks:
        watch.take([chunk[:7], chunk[7:]], end=False)
    watch.take([], end=True)
    return reported


MIXED = ("Der Turm steht schon seit sehr langer Zeit auf dem hohen Hügel. " * 60) + (
    "Every evening somebody climbs the stairs and lights the old lamp. " * 90
)
STREAM = answers.chat_stream(MIXED, "Denken wir darüber erst einmal in aller Ruhe gemeinsam nach.")


def test_a_record_has_all_that_a_log_may_want() -> None:
    reported = watched(STREAM)
    reasoning, answer = sorted(reported.seen, key=lambda seen: seen.characters)
    assert (answer.part, reasoning.part) == ("answer", "reasoning")
    assert (answer.characters, answer.request_id, answer.stream) == (len(MIXED), "chatcmpl-1", True)
    assert (answer.finding.verdict, answer.finding.found) == ("miss", "E")
    assert answer.kept == f"{MIXED[:50]}\n…\n{MIXED[-50:]}"
    assert reasoning.finding.verdict == "hit"
    assert len(reported.slips) == 1
    assert len(MIXED) // 3 < reported.slips[0] < len(MIXED)
    assert reported.pauses > 10


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_wherever_the_stream_is_cut_the_record_is_the_same(cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[a:b] for a, b in pairwise(bounds)]
    assert watched(*chunks).seen == watched(STREAM).seen


def test_a_whole_answer_slips_without_a_warning() -> None:
    reported = watched(answers.chat(MIXED), stream=False)
    assert (len(reported.seen), reported.slips) == (1, [])


def test_reasoning_in_another_language_is_no_slip() -> None:
    assert watched(answers.chat_stream("Ja.", MIXED)).slips == []


def test_of_very_many_choices_the_first_are_judged() -> None:
    many = answers.completion(*(f"Antwort Nummer {n}" for n in range(200)))
    assert [seen.choice for seen in watched(many, stream=False).seen] == list(range(64))


@pytest.mark.parametrize(
    ("data", "unreadable"), [(b'{"error": {"code": 1}}', 0), (b"nothing like it", 1)]
)
def test_what_is_no_answer_gives_no_record(data: bytes, unreadable: int) -> None:
    reported = watched(data, stream=False)
    assert (reported.seen, reported.unreadable) == ([], unreadable)
