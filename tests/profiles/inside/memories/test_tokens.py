"""Pieces, scripts, groups of tokens, and the text that triggers stand in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from profiles.finding.batches import Sentence
from profiles.inside.memories.groups import UNKNOWN, group_tokens
from profiles.inside.memories.pieces import Pieces, read_pieces
from profiles.inside.memories.script import NONE, PART, script_of
from profiles.inside.memories.text import NO_TOKEN, text_of


def pieces_of(*tokens: str | bytes) -> Pieces:
    raw = [t.encode() if isinstance(t, str) else t for t in tokens]
    starts = np.cumsum([0, *map(len, raw)])
    return Pieces(data=np.frombuffer(b"".join(raw), np.uint8), starts=starts)


class _Tokenizer:
    """SentencePiece's way, as far as pieces go."""

    all_special_ids = (0,)

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens

    def __len__(self) -> int:
        return len(self._tokens)

    def __call__(self, _text: str, **_: Any) -> Any:
        return type("Encoded", (), {"input_ids": [1]})()

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [self._tokens[i] for i in ids]


def test_pieces_of_a_sentencepiece_vocabulary() -> None:
    tokens = ["<bos>", "▁a", "Haus", "<0xE3>", "<0x81>", "<0x82>", "\n"]
    pieces = read_pieces(_Tokenizer(tokens), 9)
    assert len(pieces) == 9
    assert pieces.text([1, 2]) == " aHaus"
    assert pieces.text([3, 4, 5]) == "あ"
    assert pieces.text([3]) == "\N{REPLACEMENT CHARACTER}"
    assert [pieces.shown(t) for t in (0, 1, 3, 6, 8)] == ["<bos>", "▁a", "<e3>", "⏎", ""]


def test_pieces_of_a_byte_level_vocabulary(tmp_path: Any) -> None:
    from transformers import AutoTokenizer

    from tests.tiny_model import save_tokenizer

    size = save_tokenizer(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    pieces = read_pieces(tokenizer, size)
    text = "Größe 東京\n"
    assert pieces.text(tokenizer(text, add_special_tokens=False).input_ids) == text
    assert pieces.shown(2) == "<bos>"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Haus", "Latin"),
        (" größer", "Latin"),
        ("дом", "Cyrillic"),
        ("東京", "Han"),
        ("行った", "Kana"),
        ("カタ", "Kana"),
        ("서울", "Hangul"),
        ("Ｔ", "Latin"),
        ("ｶ", "Kana"),
        ("12, ", NONE),
        ("", NONE),
        ("\N{REPLACEMENT CHARACTER}", PART),
        ("ªº", "Latin"),
    ],
)
def test_script(text: str, script: str) -> None:
    assert script_of(text) == script


def test_groups_by_hand() -> None:
    #                   0      1      2      3       4      5     6
    pieces = pieces_of("der", "the", "in", "дом", "кот", "12", "qua")
    counts = np.array(
        [
            [3, 0, 1, 0, 0, 0, 0],  # de
            [0, 7, 1, 0, 0, 0, 0],  # en
            [0, 0, 0, 4, 0, 0, 0],  # ru
        ]
    )
    groups = group_tokens(pieces, ["de", "en", "ru"], counts)
    scripts = len(groups.scripts)
    assert groups.languages == ("de", "en", "ru", UNKNOWN)
    share = groups.member[:, scripts:]
    np.testing.assert_allclose(share[0], [3 / 4, 0, 0, 1 / 4], atol=1e-3)
    np.testing.assert_allclose(share[1], [0, 7 / 8, 0, 1 / 8], atol=1e-3)
    # A quarter of de, an eighth of en; seen twice in all.
    np.testing.assert_allclose(share[2], [2 / 3 * 2 / 3, 1 / 3 * 2 / 3, 0, 1 / 3], atol=1e-3)
    # Only ru is Cyrillic here: what was never seen is ru's too, as is the rest of what was.
    np.testing.assert_allclose(share[3:5], [[0, 0, 1, 0]] * 2, atol=1e-3)
    np.testing.assert_allclose(share[5:], [[0, 0, 0, 1]] * 2, atol=1e-3)
    named = [groups.scripts[i] for i in groups.script]
    assert named == ["Latin", "Latin", "Latin", "Cyrillic", "Cyrillic", NONE, "Latin"]
    np.testing.assert_allclose(groups.member[:, :scripts].sum(1), 1)
    np.testing.assert_allclose(groups.uniform[:scripts].sum(), 1)


def test_text_keeps_sentences_with_places() -> None:
    sentences = [
        Sentence(1, 1, (2, 20, 21), (False, True, True)),
        Sentence(0, 0, (2, 10, 11, 12), (False, True, True, True)),
        Sentence(2, 0, (2, 30), (False, True)),
    ]
    text = text_of(sentences)
    assert text.tokens.tolist() == [2, 10, 11, 12, 2, 20, 21, 2, 30]
    assert text.sentence(np.array([0, 3, 4, 8])).tolist() == [0, 0, 1, 2]
    assert text.following(np.array([2, 3, 5, 8])).tolist() == [12, NO_TOKEN, 21, NO_TOKEN]
    kept, places = text.only(np.array([[5, -1], [8, 6]]))
    assert kept.tokens.tolist() == [2, 20, 21, 2, 30]
    assert kept.labels.tolist() == [1, 0]
    assert places.tolist() == [[1, -1], [4, 2]]
    nothing, places = text.only(np.array([-1]))
    assert (len(nothing.tokens), places.tolist()) == (0, [-1])
