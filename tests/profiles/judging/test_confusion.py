from __future__ import annotations

import pytest

from profiles.judging.confusion import count_tokens, english_words, judged_lines, pass_rates

GERMAN = "das ist ein ganz normaler Satz"
ENGLISH = "this is a quite normal sentence"


def detect(line: str) -> tuple[str, float]:
    """Knows two words, and is unsure of lines that say so."""
    language = "de" if "das" in line else "en"
    return language, 0.3 if "unsure" in line else 0.9


def test_one_wrong_line_fails_a_response() -> None:
    rates = pass_rates([GERMAN, f"{GERMAN}\n{ENGLISH}", ENGLISH, GERMAN], "de", detect)
    assert rates.line is not None
    assert rates.line.value == 0.5
    assert rates.judged == 4
    assert rates.word is None  # Latin script


def test_an_unsure_line_is_wrong() -> None:
    rates = pass_rates([GERMAN + " unsure"], "de", detect)
    assert rates.line is not None
    assert rates.line.value == 0.0


def test_short_lines_are_not_judged() -> None:
    rates = pass_rates(["hello my old friend", ""], "de", detect)
    assert rates.line is not None
    assert rates.line.value == 1.0
    assert rates.judged == 0


def test_punctuation_is_no_token() -> None:
    assert judged_lines("one, two - three ! four ...") == []
    assert judged_lines("one, two - three! four; five.") == ["one two  three four five"]
    assert judged_lines("\n\n") == []


@pytest.mark.parametrize(
    ("line", "tokens"),
    [("a b c", 3), ("今天天气好", 5), ("오늘은 날씨가 좋다", 3), ("私は iPhone を", 4), ("", 0)],
)
def test_count_tokens(line: str, tokens: int) -> None:
    assert count_tokens(line) == tokens


def test_word_pass_rate_counts_only_what_passed_by_line() -> None:
    responses = [
        "это das совсем обычное предложение",
        "это das совсем обычное sentence",
        "this english line does not pass",
    ]
    rates = pass_rates(responses, "ru", lambda line: ("ru" if "это" in line else "en", 1.0))
    assert rates.line is not None
    assert rates.line.value == pytest.approx(2 / 3)
    assert rates.word is not None
    assert rates.word.value == 0.5
    assert rates.word.count == 2


def test_no_word_rate_where_nothing_passed() -> None:
    assert pass_rates([ENGLISH], "ru", detect).word is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("今日は really いい", ["really"]),
        ("the GPU and Google are fine", ["fine"]),  # three letters, capitals
        ("naïvely étranger", []),  # parts of longer words
        ("iPhone2 html5 test1", ["html", "test"]),
    ],
)
def test_english_words(text: str, words: list[str]) -> None:
    assert english_words(text) == words


def test_english_words_from_a_list() -> None:
    assert english_words("wort word", {"word"}) == ["word"]
