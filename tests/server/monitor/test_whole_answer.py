from __future__ import annotations

import pytest

from server.monitor.language import language_of
from server.monitor.promise import Promise
from server.monitor.whole_answer import judge_whole
from tests.server.monitor import answers
from tests.server.monitor.test_tap import ENGLISH, GERMAN


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (answers.completion(GERMAN, GERMAN), "hit"),
        (answers.completion(GERMAN, ENGLISH), "miss"),
        (answers.completion(GERMAN, "Ja."), "hit"),
        (answers.completion("Ja."), "unknown"),
        (answers.chat(GERMAN, ENGLISH), "hit"),
        (answers.chat("", GERMAN), "unknown"),
        (answers.response(ENGLISH), "miss"),
        (b"not json", "unknown"),
    ],
)
def test_the_worst_choice_decides_and_reasoning_does_not(data: bytes, verdict: str) -> None:
    assert judge_whole(data, Promise(wanted="de"), language_of).verdict == verdict
