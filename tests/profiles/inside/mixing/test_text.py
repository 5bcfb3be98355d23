"""Pieces of text as tokens with languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from profiles.errors import LangsteerError
from profiles.inside.mixing.text import known, mixed_text


@pytest.fixture(scope="module")
def tokenizer(tiny_folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_folder)


def test_tokens_belong_to_the_piece_they_come_from(tokenizer: Any) -> None:
    text = mixed_text(tokenizer, ["ab", "cd"], ["de", "ja"])
    assert text.tokens == ("<bos>", "a", "b", " ", "c", "d")
    assert text.languages == (None, "de", "de", "ja", "ja", "ja")
    assert list(text.ids) == tokenizer("ab cd").input_ids
    assert known(text.languages) == ["de", "ja"]


def test_languages_are_identified_where_none_are_given(tokenizer: Any) -> None:
    pieces = ["Am Abend kochte sie eine Suppe.", "窓の外では雨が降っていた。", "x"]
    text = mixed_text(tokenizer, pieces)
    assert [language for language, _ in text.pieces] == ["de", "ja", "und"]
    assert known(text.languages) == ["de", "ja"]


def test_bytes_of_a_letter_are_shown_as_the_vocabulary_has_them(tokenizer: Any) -> None:
    text = mixed_text(tokenizer, ["é\n"], ["fr"])
    assert text.tokens[1:] == ("Ã", "©", "⏎")


@pytest.mark.parametrize(
    ("texts", "tags", "says"),
    [
        ([], [], "no text"),
        (["a", " "], [], "none of them empty"),
        (["a", "b"], ["de"], "1 languages for 2 texts"),
    ],
)
def test_what_cannot_be_is_said(
    tokenizer: Any, texts: list[str], tags: list[str], says: str
) -> None:
    with pytest.raises(LangsteerError, match=says):
        mixed_text(tokenizer, texts, tags)
