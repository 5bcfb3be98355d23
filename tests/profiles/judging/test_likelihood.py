from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from profiles.judging.likelihood import (
    Cost,
    bits_of,
    bits_per_byte,
    costs,
    perplexity,
    perplexity_ratio,
)
from profiles.models.model import LoadedModel, load_model


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> LoadedModel:
    return load_model(tiny_folder, "tiny", "fp32")


def by_hand(tiny: LoadedModel, ids: list[int], skipped: int = 0) -> float:
    with torch.inference_mode():
        logits = tiny.model(input_ids=torch.tensor([[2, *ids]])).logits[0]
    log = logits.log_softmax(-1)
    return -sum(float(log[n, ids[n]]) for n in range(skipped, len(ids))) / math.log(2)


def test_bits_of_rows_of_all_lengths(tiny: LoadedModel) -> None:
    rows = [[5, 6, 7], [], [9] * 12, [40]]
    assert bits_of(tiny, rows) == pytest.approx([by_hand(tiny, row) for row in rows], rel=1e-4)
    assert bits_of(tiny, [[]]) == [0.0]
    assert bits_of(tiny, []) == []


def test_contexts_are_read_and_not_counted(tiny: LoadedModel) -> None:
    contexts, rows = [[30, 31], []], [[5, 6, 7], [8, 9]]
    wanted = [by_hand(tiny, [30, 31, 5, 6, 7], 2), by_hand(tiny, [8, 9])]
    assert bits_of(tiny, rows, contexts) == pytest.approx(wanted, rel=1e-4)


def test_costs_of_texts_cut_short(tiny: LoadedModel) -> None:
    whole, short = costs(tiny, ["abcdef"])[0], costs(tiny, ["abcdef"], 2)[0]
    assert (whole.tokens, whole.bytes) == (6, 6)
    assert (short.tokens, short.bytes) == (2, 2)
    assert short.bits < whole.bits
    assert short == costs(tiny, ["ab"])[0]


def test_perplexity_weighs_tokens() -> None:
    texts = [Cost(bits=2.0, tokens=2, bytes=4), Cost(bits=10.0, tokens=2, bytes=4)]
    assert perplexity(texts) == 8.0  # 12 bits over 4 tokens
    found = bits_per_byte(texts)
    assert found is not None
    assert found.value == 1.5


def test_perplexity_ratio() -> None:
    plain = [Cost(bits=4.0, tokens=2, bytes=4), Cost(bits=4.0, tokens=2, bytes=4)]
    worse = [Cost(bits=6.0, tokens=2, bytes=4), Cost(bits=6.0, tokens=2, bytes=4)]
    found = perplexity_ratio(worse, plain)
    assert found.value == found.low == found.high == 2.0
    assert found.value == perplexity(worse) / perplexity(plain)
