from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from profiles.corpora.corpus import read_corpus
from profiles.judging.baselines import BASELINES, Bench, Role
from profiles.judging.condition import SkippedError
from profiles.models.model import LoadedModel, load_model

EDITS = ("logit-bias", "ap-median", "lape", "residual")


@contextmanager
def stage(_title: str) -> Iterator[Callable[[int, int], None]]:
    yield lambda _done, _total: None


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> LoadedModel:
    return load_model(tiny_folder, "tiny", "fp32")


@pytest.fixture(scope="module")
def bench(tiny: LoadedModel, corpus_folder: Path) -> Bench:
    return Bench(tiny, read_corpus(str(corpus_folder)), stage)


def logits(tiny: LoadedModel) -> Tensor:
    with torch.inference_mode():
        out: Tensor = tiny.model(input_ids=torch.tensor([[2, 70, 71, 72]])).logits
    return out


@pytest.mark.parametrize(
    ("name", "role"),
    # One of the tiny model's 64 neurons has low entropy; it is not German.
    [(n, r) for n in EDITS for r in ("target", "suppress") if (n, r) != ("lape", "suppress")],
)
def test_edits_change_the_model_within_their_block_only(
    tiny: LoadedModel, bench: Bench, name: str, role: Role
) -> None:
    before = logits(tiny)
    method = bench.method(name, "de", role)
    assert method.name == name
    assert method.instruction is None
    with method.applied():
        assert not torch.equal(logits(tiny), before)
    assert torch.equal(logits(tiny), before)


def test_lape_may_find_nothing_of_a_language(tiny: LoadedModel, bench: Bench) -> None:
    with pytest.raises(SkippedError, match="no neurons to ablate for de"):
        bench.method("lape", "de", "suppress")


def test_what_languages_share_is_made_once(bench: Bench) -> None:
    bench.method("ap-median", "de")
    made = bench.activations
    bench.method("ap-median", "ja", "suppress")
    assert bench.activations is made


@pytest.mark.parametrize("name", EDITS)
def test_edits_need_text_of_the_language(bench: Bench, name: str) -> None:
    with pytest.raises(SkippedError, match="no text in fr"):
        bench.method(name, "fr")


@pytest.mark.parametrize("name", EDITS)
def test_edits_need_the_model(corpus_folder: Path, name: str) -> None:
    remote = Bench(None, read_corpus(str(corpus_folder)), stage)
    with pytest.raises(SkippedError, match="a server does not offer"):
        remote.method(name, "de")


def test_instructions(bench: Bench) -> None:
    asked = {
        (name, role): bench.method(name, "de-AT", role).instruction
        for name, role in (
            ("instruction", "target"),
            ("instruction", "suppress"),
            ("instruction-native", "target"),
        )
    }
    assert [*asked.values()] == [
        "Answer in German.",
        "Do not answer in German.",
        "Antworte auf Deutsch.",
    ]
    with pytest.raises(SkippedError, match="no instruction in de-AT"):
        bench.method("instruction-native", "de-AT", "suppress")
    with pytest.raises(SkippedError, match="no English name of tlh"):
        bench.method("instruction", "tlh")


def test_names() -> None:
    assert [*BASELINES] == ["instruction", "instruction-native", *EDITS]
