from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from profiles.judging.logit_bias import CAP, biased, count_tokens, logit_bias, scripts_of
from profiles.models.model import load_model

#         0     1       2    3     4      5      6    7
PIECES = ["the", "und", ",", "猫", "дом", "犬", " a", "7"]
COUNTS = {
    "en": {0: 10, 2: 4, 6: 4},
    "de": {1: 10, 2: 4},
    "ja": {3: 10, 2: 4},
}


def test_scripts() -> None:
    assert scripts_of("a猫, ор1") == {"LATIN", "CJK", "CYRILLIC"}
    assert scripts_of(" 12 !") == set()


def test_bias_of_seen_tokens_is_their_log_ratio() -> None:
    bias = logit_bias(COUNTS, PIECES, "de")
    # 5 token ids occur in the corpus; German has 14 tokens, the others have 32.
    expected = math.log((4.5 / (14 + 2.5)) / (8.5 / (32 + 2.5)))
    assert float(bias[2]) == pytest.approx(expected)
    assert float(bias[1]) == pytest.approx(math.log((10.5 / 16.5) / (0.5 / 34.5)))
    assert float(bias[0]) < -2


def test_bias_of_unseen_tokens_goes_by_script() -> None:
    german, japanese = logit_bias(COUNTS, PIECES, "de"), logit_bias(COUNTS, PIECES, "ja")
    assert float(german[4]) == float(german[5]) == -CAP
    assert float(japanese[4]) == -CAP
    assert float(japanese[5]) == CAP / 2
    assert float(german[7]) == float(japanese[7]) == 0.0


def test_biased_moves_the_logits_and_leaves_no_trace(tiny_folder: Path) -> None:
    loaded = load_model(tiny_folder, "tiny", "fp32")
    ids = torch.tensor([[2, 5, 6]])
    bias = torch.zeros(loaded.model.config.vocab_size - 3)
    bias[7] = 4.0
    with torch.inference_mode():
        before = loaded.model(input_ids=ids).logits
        with biased(loaded.model, bias):
            within = loaded.model(input_ids=ids).logits
        after = loaded.model(input_ids=ids).logits
    moved = within - before
    torch.testing.assert_close(moved[..., 7], torch.full((1, 3), 4.0))
    assert int((moved != 0).sum()) == 3
    assert torch.equal(before, after)


def test_count_tokens_with_and_without_a_blank(tiny_folder: Path) -> None:
    tokenizer = load_model(tiny_folder, "tiny", "fp32").tokenizer
    found = count_tokens(tokenizer, ["ab", "b"])
    ids = {c: tokenizer(c, add_special_tokens=False).input_ids[0] for c in "ab "}
    assert found == {ids["a"]: 2, ids["b"]: 4, ids[" "]: 2}
