from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from profiles.corpora.corpus import read_corpus
from profiles.errors import CorpusError
from profiles.judging.identify import identify
from profiles.judging.text import PASSAGES, EvaluationText, cut, read_text

LANGUAGES = ("de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "zh")


@pytest.fixture(scope="module")
def text() -> EvaluationText:
    return read_text()


def test_passages_are_aligned_and_whole(text: EvaluationText) -> None:
    assert text.languages == LANGUAGES
    for tag in LANGUAGES:
        lines = text.sentences(tag)
        assert len(lines) == 72
        assert all(lines)
        assert len(set(lines)) == 72
        assert all(line == unicodedata.normalize("NFC", line) for line in lines)
        assert all(line[-1] in ".。" for line in lines), tag


def test_passages_say_alike_much(text: EvaluationText) -> None:
    """A line that slipped by one would rarely be as long as its original."""
    english = [len(line) for line in text.sentences("en")]
    for tag in LANGUAGES:
        own = [len(line) for line in text.sentences(tag)]
        scale = sum(own) / sum(english)
        ratios = [a / b / scale for a, b in zip(own, english, strict=True)]
        assert min(ratios) > 0.5, tag
        assert max(ratios) < 2.0, tag


def test_paragraphs_are_in_their_language(text: EvaluationText) -> None:
    for tag in LANGUAGES:
        found = [identify(paragraph).language for paragraph in text.paragraphs(tag)]
        assert found == [tag] * 24


def test_no_passage_is_in_the_starter_corpus(text: EvaluationText) -> None:
    starter = read_corpus()
    for tag in LANGUAGES:
        assert not set(text.sentences(tag)) & set(starter.texts[tag])


def test_the_readme_lists_the_languages() -> None:
    readme = (PASSAGES / "README.md").read_text(encoding="utf-8")
    assert f"| Languages | {', '.join(LANGUAGES)} |" in readme


def test_paragraphs_join_as_the_language_does() -> None:
    text = EvaluationText(
        source="here",
        lines={"en": ["A.", "B.", "C.", "D."], "ja": ["あ。", "い。", "う。", "え。"]},
    )
    assert text.paragraphs("en") == ["A. B. C."]
    assert text.paragraphs("ja") == ["あ。い。う。"]
    assert text.paragraphs("en-GB") == ["A. B. C."]
    with pytest.raises(CorpusError, match="here has no text in de; it has en, ja"):
        text.paragraphs("de")


@pytest.mark.parametrize(
    ("sentence", "language", "half"),
    [
        ("One two three four five.", "en", "One two"),
        ("One", "en", "One"),
        ("今天天气很好。", "zh", "今天天"),
        ("오늘은 날씨가 좋다.", "ko", "오늘은"),
    ],
)
def test_cut(sentence: str, language: str, half: str) -> None:
    assert cut(sentence, language) == half


def test_read_folder_and_span(tmp_path: Path) -> None:
    for tag in ("en", "de"):
        lines = "".join(f"{tag}  {n}\n" for n in range(10))
        (tmp_path / f"{tag}.txt").write_text(lines, encoding="utf-8")
    text = read_text(tmp_path, (4, 8))
    assert text.sentences("de") == ["de 4", "de 5", "de 6", "de 7"]
    assert text.source == f"{tmp_path}[4:8]"
    assert text.digest != read_text(tmp_path, (3, 7)).digest
    with pytest.raises(CorpusError, match="2 lines in 8:20, at least 3"):
        read_text(tmp_path, (8, 20))
    (tmp_path / "de.txt").write_text("one line\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"not aligned.*de 1, en 10"):
        read_text(tmp_path)
    with pytest.raises(CorpusError, match="holds no"):
        read_text(tmp_path / "none")
