from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.judging.text import read_text
from server.monitor.language import language_of
from server.monitor.promise import Promise
from server.monitor.running import PIECE, Running

TEXT = read_text()
GERMAN = Promise(wanted="de")


def prose(language: str, lines: int, start: int = 0) -> str:
    return ("" if language in {"ja", "zh"} else " ").join(
        TEXT.sentences(language)[start : start + lines]
    )


def running(text: str, promise: Promise = GERMAN, keep: int = 0) -> Running:
    made = Running(promise, language_of, keep)
    for start in range(0, len(text), 5):
        made.add(text[start : start + 5])
    return made


@pytest.mark.parametrize("language", TEXT.languages)
def test_every_language_of_the_passages_is_told(language: str) -> None:
    promise = Promise(wanted=language)
    assert running(prose(language, 4), promise).end().verdict == "hit"
    assert running(prose(language, 70), promise).end().shares == {language: 1.0}
    other = Promise(wanted="de" if language != "de" else "fr")
    finding = running(prose(language, 4), other).end()
    assert (finding.verdict, finding.found) == ("miss", language)


def test_a_slip_in_the_middle_is_seen_and_its_piece_misses() -> None:
    text = " ".join((prose("de", 24), prose("en", 50), prose("de", 40, 24)))
    made = Running(GERMAN, language_of)
    pieces = [finding.verdict for finding in made.add(text)]
    assert pieces[0] == "hit"
    assert "miss" in pieces
    finding = made.end()
    assert (finding.verdict, finding.found) == ("mixed", "en")
    assert 0.3 < finding.shares["en"] < 0.5


def test_english_code_in_a_german_answer_is_no_slip_wherever_pieces_end() -> None:
    code = "```python\n" + "# This comment says what the next line of the program does.\n" * 60
    for before in range(18, 26):
        text = f"{prose('de', before)}\n\n{code}```\n\n{prose('de', 10, 30)}"
        assert running(text).end().shares == {"de": 1.0}


def test_a_block_of_code_without_end_waits_for_none() -> None:
    code = "```\n" + "This comment says what the next line of the program does.\n" * 600
    made = running(f"{prose('de', 10)}\n{code}")
    assert made.end().shares == {"de": 1.0}


@pytest.mark.parametrize("indent", [None, 2])
def test_of_json_the_values_count_and_not_the_keys(indent: int | None) -> None:
    german, english = TEXT.sentences("de"), TEXT.sentences("en")
    value = [
        {"the answer to the question that was asked": said, "status code": "OK", "of": [said, 1]}
        for said in german[:20]
    ]
    assert running(json.dumps(value, indent=indent)).end().shares == {"de": 1.0}
    long = json.dumps({"a": german * 4, "b": english * 9}, ensure_ascii=False)
    assert running(long).end().verdict == "hit"
    later = json.dumps({"a": english[:10], "b": (german * 3)[:150]}, ensure_ascii=False)
    assert len(later) < 16_000
    assert running(later).end().verdict == "hit"
    # Cut off by max_tokens, with escapes within.
    cut = json.dumps({"a b": f'"{german[0]}" {german[1]}', "c": german[2]})[:-9]
    assert running(cut).end().shares == {"de": 1.0}


def test_a_bracket_alone_is_no_json() -> None:
    assert running(f"[1] {prose('de', 3)}").end().verdict == "hit"


def test_the_ends_are_kept_and_what_is_between_is_marked() -> None:
    assert running("abcdefgh", keep=4).kept == "abcdefgh"
    assert running("abcdefghi", keep=4).kept == "abcd\n…\nfghi"
    assert running("abcdefghi").kept == "\n…\n"
    assert running("x" * 9).characters == 9


def test_one_foreign_sentence_is_tolerated_wherever_it_stands() -> None:
    german, english = TEXT.sentences("de")[:20], TEXT.sentences("en")[0]
    for place in range(21):
        text = " ".join([*german[:place], english, *german[place:]])
        assert running(text).end().verdict == "hit"


def test_what_is_looked_at_is_bounded() -> None:
    asked: list[str] = []

    def language(text: str) -> str:
        asked.append(text)
        return "de"

    made = Running(GERMAN, language)
    made.add("Das ist ein Satz mit über vierzig Buchstaben, wirklich. " * 1000)
    made.end()
    assert 24 + 8 * 20 < len(asked) < 24 + 8 * 30


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 700), max_size=12))
def test_how_the_text_is_cut_up_changes_nothing(steps: list[int]) -> None:
    text = f"{prose('de', 40)}\n```\n{prose('en', 20)}\n```\n{prose('fr', 30)}"
    assert len(text) > 3 * PIECE
    whole = Running(GERMAN, lambda said: said[:1])
    whole.add(text)
    parts = Running(GERMAN, lambda said: said[:1])
    start = 0
    for step in [*steps, len(text)]:
        parts.add(text[start : start + step])
        start += step
    assert parts.end().shares == whole.end().shares
