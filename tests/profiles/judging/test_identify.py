from __future__ import annotations

import pytest

from profiles.judging.identify import cross_check, identify, primary
from profiles.judging.repetition import is_repetitive, repeated_share


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Am Morgen lag noch Nebel über dem Fluss, und niemand war auf der Brücke."),
        ("fr", "Le matin, il y avait encore du brouillard sur la rivière."),
        ("zh", "今天天气很好,我们去公园散步吧。"),
        ("ja", "今日は天気がいいので、公園を散歩しましょう。"),
        ("ko", "오늘은 날씨가 좋아서 공원에 산책하러 가요."),
    ],
)
def test_clear_text(language: str, text: str) -> None:
    found = identify(text, ["de", "fr", "zh-Hans", "ja", "ko", "en"])
    assert found.language == language
    assert found.probability > 0.9
    assert found.reliable


@pytest.mark.parametrize("text", ["", "   ", "42 + 7 = 49!", "ok", "是", "\n\n\n"])
def test_too_little_to_tell(text: str) -> None:
    assert identify(text) == ("und", 0.0)
    assert not identify(text).reliable


def test_halves_of_characters_are_passed_over() -> None:
    text = "Das ist ein \ud800 ganz gewöhnlicher deutscher Satz."
    assert identify(text).language == cross_check(text).language == "de"
    assert identify("\ud800" * 20).language == "und"


def test_primary() -> None:
    assert primary("zh-Hans-CN") == "zh"


def test_repetition() -> None:
    assert is_repetitive("die Seiten " * 20)
    assert is_repetitive("的" * 40)
    assert not is_repetitive("Am Morgen lag noch Nebel über dem Fluss.")
    assert not is_repetitive("")
    assert repeated_share("short") == 0.0
