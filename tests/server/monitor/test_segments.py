from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profiles.judging.text import read_text
from server.monitor.segments import segments, weight

TEXT = read_text()


def test_an_ideograph_says_more_than_a_letter() -> None:
    assert (weight("abc 12!"), weight("日本"), weight("한국")) == (3, 6, 4)


def test_sentences_are_joined_until_each_is_long_enough() -> None:
    german = " ".join(TEXT.sentences("de")[:6])
    found = segments(german)
    assert len(found) >= 5
    assert all(weight(each) >= 40 for each in found)
    assert segments("Ja. Nein. Gut.") == ["Ja. Nein. Gut."]
    assert segments("12 + 34") == []


def test_japanese_ends_sentences_without_blanks() -> None:
    found = segments("".join(TEXT.sentences("ja")[:4]))
    assert len(found) >= 3
    assert all(each.endswith("。") for each in found)


def test_text_without_any_stop_is_cut() -> None:
    assert {len(each) for each in segments("word " * 400)} == {399}
    assert max(map(len, segments("語" * 1000))) <= 400


@given(st.text(alphabet="ab 。.\n日한!", max_size=900))
def test_no_letter_is_lost(text: str) -> None:
    found = segments(text)
    assert sum(map(weight, found)) == weight(text)
