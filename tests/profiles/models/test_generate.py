from __future__ import annotations

from pathlib import Path

import pytest
import torch

from profiles.judging.judge import judge
from profiles.models.generate import generate
from profiles.models.model import LoadedModel, load_model


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> LoadedModel:
    return load_model(tiny_folder, "tiny", "fp32")


def test_greedy_equals_a_plain_loop(loaded: LoadedModel) -> None:
    prompts = ["", "hello", "a longer prompt"]
    got = generate(loaded, prompts, tokens=12, temperature=0)
    for prompt, tokens in zip(prompts, got, strict=True):
        ids = loaded.tokenizer(prompt, return_tensors="pt").input_ids
        for token in tokens:
            with torch.inference_mode():
                assert int(loaded.model(input_ids=ids).logits[0, -1].argmax()) == token
            ids = torch.cat([ids, torch.tensor([[token]])], dim=1)


def test_a_row_depends_on_its_seed_only(loaded: LoadedModel) -> None:
    three = generate(loaded, [""] * 3, tokens=10, seed=5)
    assert generate(loaded, [""], tokens=10, seed=6)[0] == three[1]
    assert three[0] != three[1]
    assert generate(loaded, [""] * 3, tokens=10, seed=5) == three


def test_samples_follow_the_distribution(loaded: LoadedModel) -> None:
    with torch.inference_mode():
        logits = loaded.model(input_ids=torch.tensor([[2]])).logits[0, -1].float()
    chances = torch.softmax(logits / 0.8, -1)
    draws = [t[0] for t in generate(loaded, [""] * 4000, tokens=1, temperature=0.8) if t]
    share = torch.bincount(torch.tensor(draws), minlength=len(chances)) / 4000
    assert float((share - chances)[3:].abs().max()) < 0.01


def test_bits_are_the_likelihood_after_bos(loaded: LoadedModel) -> None:
    verdicts = judge(loaded, [[20, 30, 40], [50], []])
    ids = torch.tensor([[2, 20, 30, 40]])
    with torch.inference_mode():
        odds = torch.log2(torch.softmax(loaded.model(input_ids=ids).logits[0].float(), -1))
    expected = -sum(float(odds[i, t]) for i, t in enumerate([20, 30, 40]))
    assert verdicts[0].bits == pytest.approx(expected, rel=1e-5)
    assert verdicts[2].bits == 0
    assert verdicts[2].language == "und"
    assert not verdicts[2].success("de")
