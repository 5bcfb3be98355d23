"""Where a request is, told token by token."""

from __future__ import annotations

import pytest

from steering.markers import ANSWER, REASONING, UNDECIDED, Markers, reasons

START, END, BLANK, WORD = 1, 2, 3, 9
MARKERS = Markers(start=START, end=END, blanks=frozenset({BLANK}))


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ([WORD, START], REASONING),  # DeepSeek-R1's template
        ([WORD, START, BLANK], REASONING),
        ([WORD, START, BLANK, END, BLANK, BLANK], ANSWER),  # Qwen3's, enable_thinking=false
        ([WORD, WORD, BLANK], UNDECIDED),  # Qwen3's: the model writes the marker
        ([START, WORD, END, WORD, WORD, BLANK], UNDECIDED),  # another turn's reasoning
        ([WORD, START, WORD, BLANK], UNDECIDED),  # a user who writes of the marker
        ([BLANK], UNDECIDED),
        ([], UNDECIDED),
    ],
)
def test_a_prompts_last_marker_counts_where_nothing_but_white_space_follows(
    prompt: list[int], expected: int
) -> None:
    assert MARKERS.at_end(prompt) == expected


@pytest.mark.parametrize(
    ("generated", "expected"),
    [
        ([], UNDECIDED),
        ([START], REASONING),
        ([START, WORD, BLANK], REASONING),
        ([START, WORD, END], ANSWER),
        ([BLANK, BLANK], UNDECIDED),
        ([BLANK, START, WORD], REASONING),  # GLM-4.5 begins so
        ([WORD], ANSWER),
        ([BLANK, WORD], ANSWER),
        ([END], ANSWER),
        ([WORD, START, WORD], ANSWER),  # an answer that tells of the marker
        ([START, END, START], ANSWER),
    ],
)
def test_the_first_token_decides_and_an_answer_stays_one(
    generated: list[int], expected: int
) -> None:
    assert MARKERS.state([WORD], generated) == expected


def test_reasoning_that_the_prompt_began_ends_once() -> None:
    states = [MARKERS.state([START], [WORD, START, END, START][:n]) for n in range(5)]
    assert states == [REASONING, REASONING, REASONING, ANSWER, ANSWER]
    assert MARKERS.state([START, END], [START, WORD]) == ANSWER


def test_undecided_the_prompt_expects_reasoning_and_white_space_an_answer() -> None:
    assert reasons(UNDECIDED, generated=False)
    assert not reasons(UNDECIDED, generated=True)
    assert reasons(REASONING, generated=False)
    assert reasons(REASONING, generated=True)
    assert not reasons(ANSWER, generated=False)
