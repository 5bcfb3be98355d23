"""The starter corpus: aligned, unique, plain, and in the languages its file names say."""

from __future__ import annotations

import unicodedata

import numpy as np
import py3langid
import pytest

from profiles.corpora.corpus import STARTER

FOLDER = STARTER
LANGUAGES = ["de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "zh"]
TOPICS, LINES_A_TOPIC = 13, 20
# The least share of sentences an identifier must place by themselves: the shortest are ambiguous
# between close relatives (Spanish and Galician, Dutch and Afrikaans).
SINGLE_SENTENCES = 0.95
SCRIPTS = {
    "ja": ("HIRAGANA", "KATAKANA", "CJK"),
    "ko": ("HANGUL",),
    "ru": ("CYRILLIC",),
    "zh": ("CJK",),
}


def read(language: str) -> list[str]:
    return (FOLDER / f"{language}.txt").read_text(encoding="utf-8").splitlines()


def test_the_folder_holds_these_languages() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*.txt")) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
class TestFile:
    def test_has_every_line(self, language: str) -> None:
        assert len(read(language)) == TOPICS * LINES_A_TOPIC

    def test_sentences_are_unique(self, language: str) -> None:
        lines = [line.casefold() for line in read(language)]
        assert sorted({line for line in lines if lines.count(line) > 1}) == []

    def test_lines_are_clean(self, language: str) -> None:
        for line in read(language):
            assert line == unicodedata.normalize("NFC", " ".join(line.split())), line
            assert unicodedata.category(line[-1]).startswith("P"), f"no closing mark: {line}"

    def test_no_digits(self, language: str) -> None:
        assert [line for line in read(language) if any(c.isdecimal() for c in line)] == []

    def test_letters_are_of_its_script(self, language: str) -> None:
        scripts = SCRIPTS.get(language, ("LATIN",))
        letters = {c for line in read(language) for c in line if unicodedata.category(c)[0] == "L"}
        # The long-vowel mark ー and the repetition mark 々 belong to no single script.
        foreign = {c for c in letters - {"ー", "々"} if not unicodedata.name(c).startswith(scripts)}
        assert foreign == set()

    def test_an_identifier_agrees(self, language: str) -> None:
        lines = read(language)
        assert py3langid.classify(" ".join(lines))[0] == language
        agreed = [py3langid.classify(line)[0] == language for line in lines]
        assert sum(agreed) / len(agreed) >= SINGLE_SENTENCES

    def test_aligned_with_english(self, language: str) -> None:
        """Long sentences face long ones and questions face questions; one line off, they don't."""
        ours, english = read(language), read("en")

        def lengths_agree(shift: int) -> float:
            pairs = np.array([[len(a) for a in english], np.roll([len(b) for b in ours], shift)])
            return float(np.corrcoef(pairs)[0, 1])

        assert lengths_agree(0) > 0.85
        assert lengths_agree(1) < 0.5
        # Japanese may end a question with its particle か and a full stop.
        marks = ("?", "？", "か。", "う。", "かな。") if language == "ja" else ("?", "？")
        answered = [b.endswith(marks) for a, b in zip(english, ours, strict=True) if a[-1] == "?"]
        assert all(answered)


def test_english_lengths() -> None:
    words = [len(line.split()) for line in read("en")]
    assert min(words) >= 4
    assert max(words) <= 40
    assert sum(n <= 8 for n in words) >= 40
    assert sum(n >= 20 for n in words) >= 20
