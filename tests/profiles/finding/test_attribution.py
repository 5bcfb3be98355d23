"""Attribution on a tiny model, against finite differences of the edit it predicts."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from profiles.corpora.corpus import read_corpus
from profiles.errors import CorpusError
from profiles.finding.attribution import attribute
from profiles.learning.prefixes import Role, sample
from profiles.learning.targets import Encoder, TextLoss, batches
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel, load_model
from profiles.profile import Edit, NeuronEdit

Texts = Mapping[str, Sequence[str]]
EXAMPLES = 12


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> LoadedModel:
    found = load_model(tiny_folder, "tiny", "fp32")
    # As initialized, a tiny model's FFNs hardly do anything.
    torch.manual_seed(1)
    with torch.no_grad():
        for p in found.model.parameters():
            p.add_(0.3 * torch.randn_like(p) if p.ndim > 1 else 0)
    return found


@pytest.fixture(scope="module")
def texts(corpus_folder: Path) -> Texts:
    return read_corpus(str(corpus_folder)).texts


def _likelihood(loaded: LoadedModel, texts: Texts, role: Role, edit: Edit, by: float) -> float:
    """Mean log-likelihood of a text token under `by` times the edit, in one batch."""
    encode = Encoder(loaded.tokenizer, context=40, length=12)
    drawn = sample(texts, "de", role, EXAMPLES, random.Random(3))
    (batch,) = batches([encode(e) for e in drawn], EXAMPLES, encode, early=12)
    with torch.no_grad(), edited(loaded.model, edit, by):
        return -float(TextLoss(loaded.model, encode.vocabulary(texts), 0, 3)(batch))


@pytest.mark.parametrize("role", ["target", "suppress"])
def test_predicts_the_gain_of_adding_the_scale(
    loaded: LoadedModel, texts: Texts, role: Role
) -> None:
    scale = np.random.default_rng(0).normal(size=(2, 32)).astype(np.float32)
    options = {"examples": EXAMPLES, "batch": 5, "negatives": 0, "seed": 3, "along": (0.0,)}
    found = attribute(loaded, texts, "de", scale, role=role, **options)  # type: ignore[arg-type]
    assert found.shape == (2, 32)
    assert found.dtype == np.float32
    for layer, neuron in [(0, 0), (0, 17), (1, 5), (1, 31)]:
        edit = Edit(
            neurons=NeuronEdit(
                layer=np.array([layer], np.int32),
                neuron=np.array([neuron], np.int32),
                add=scale[layer, neuron : neuron + 1],
                scale=np.zeros(1, np.float32),
            )
        )
        up, down = (_likelihood(loaded, texts, role, edit, by) for by in (0.02, -0.02))
        assert found[layer, neuron] == pytest.approx((up - down) / 0.04, rel=0.02, abs=2e-5)


def test_derivatives_are_taken_along_the_way(loaded: LoadedModel, texts: Texts) -> None:
    """Where all neurons move, the shares add up to the gain, as integrated gradients do."""
    scale = np.random.default_rng(1).normal(0, 0.3, (2, 32)).astype(np.float32)
    layer, neuron = (n.ravel().astype(np.int32) for n in np.indices((2, 32)))
    zeros = np.zeros(64, np.float32)
    edit = Edit(neurons=NeuronEdit(layer=layer, neuron=neuron, add=scale.ravel(), scale=zeros))
    gain = _likelihood(loaded, texts, "target", edit, 1) - _likelihood(
        loaded, texts, "target", edit, 0
    )

    def total(*along: float) -> float:
        points = [
            attribute(
                loaded,
                texts,
                "de",
                scale,
                examples=EXAMPLES,
                batch=EXAMPLES,
                negatives=0,
                seed=3,
                along=(at,),
            ).sum()
            for at in along
        ]
        return float(np.mean(points))

    middle = total(*((n + 0.5) / 8 for n in range(8)))
    assert middle == pytest.approx(gain, rel=0.02)
    assert abs(total(0.0) - gain) > 10 * abs(middle - gain)


def test_batches_take_turns(loaded: LoadedModel, texts: Texts) -> None:
    scale = np.random.default_rng(1).normal(0, 1, (2, 32)).astype(np.float32)

    def found(*along: float) -> np.ndarray:
        return attribute(loaded, texts, "de", scale, examples=8, batch=4, along=along)

    first, second = found(0.0), found(1.0)
    assert not np.allclose(first, second, rtol=0.1)
    np.testing.assert_allclose(found(0.0, 1.0) + found(1.0, 0.0), first + second, atol=1e-6)


def test_leaves_no_hook_and_no_gradient(loaded: LoadedModel, texts: Texts) -> None:
    scale = np.ones((2, 32), np.float32)
    seen: list[tuple[int, int]] = []
    one = attribute(
        loaded, texts, "de", scale, examples=8, batch=3, progress=lambda *a: seen.append(a)
    )
    assert seen == [(3, 8), (6, 8), (8, 8)]
    assert not any(m._forward_pre_hooks for m in loaded.model.modules())
    assert all(p.grad is None for p in loaded.model.parameters())
    np.testing.assert_array_equal(one, attribute(loaded, texts, "de", scale, examples=8, batch=3))


def test_bad_input_is_refused(loaded: LoadedModel, texts: Texts) -> None:
    scale = np.ones((2, 32), np.float32)
    with pytest.raises(CorpusError, match="no text in 'fr'"):
        attribute(loaded, texts, "fr", scale)
    with pytest.raises(CorpusError, match="another language"):
        attribute(loaded, {"de": texts["de"]}, "de", scale)
    with pytest.raises(ValueError, match="scale has shape"):
        attribute(loaded, texts, "de", scale[:1])
