from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from profiles.judging.damage import HeldOut
from profiles.judging.likelihood import costs, perplexity
from profiles.judging.logit_bias import biased
from profiles.judging.method import UNSTEERED, Method
from profiles.judging.text import EvaluationText
from profiles.models.model import LoadedModel, load_model

LINES = {"de": ["abc", "bca", "cab"] * 2, "ja": ["xyz", "yzx", "zxy"] * 2}


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> LoadedModel:
    return load_model(tiny_folder, "tiny", "fp32")


@pytest.fixture(scope="module")
def held_out(tiny: LoadedModel) -> HeldOut:
    return HeldOut(tiny, EvaluationText(source="made up", lines=LINES), 1)


def ignore(_done: int, _total: int) -> None:
    pass


def test_nothing_does_no_damage(held_out: HeldOut) -> None:
    found = held_out.ratios(UNSTEERED, ignore)
    assert {tag: (r["value"], r["count"]) for tag, r in found.items()} == {
        "de": (1.0, 1),
        "ja": (1.0, 1),
    }


def test_an_edit_helps_one_language_and_harms_the_other(
    tiny: LoadedModel, held_out: HeldOut
) -> None:
    ids = tiny.tokenizer("abc", add_special_tokens=False).input_ids
    bias = torch.zeros(tiny.model.config.vocab_size)
    bias[ids] = 2.0

    @contextmanager
    def apply() -> Iterator[None]:
        with biased(tiny.model, bias):
            yield

    found = held_out.ratios(Method(name="bias", apply=apply), ignore)
    assert found["de"]["value"] < 0.5 < 1 < found["ja"]["value"]


def test_natural_text(tiny: LoadedModel, held_out: HeldOut) -> None:
    found = held_out.natural(4, ignore)
    whole, short = costs(tiny, ["abc bca cab"])[0], costs(tiny, ["abc bca cab"], 4)[0]
    assert found["de"]["bits_per_byte"]["count"] == 2  # also what is not measured whole
    assert found["de"]["tokens"] == 11
    assert found["de"]["texts"] == 1
    assert found["de"]["perplexity"] == pytest.approx(perplexity([whole]), abs=1e-3)
    assert found["de"]["bits_per_byte"]["value"] == pytest.approx(short.bits / 4, abs=1e-4)
