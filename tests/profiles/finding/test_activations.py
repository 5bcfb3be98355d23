from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from profiles.corpora.corpus import Corpus, read_corpus
from profiles.errors import CorpusError, ModelError
from profiles.finding.activations import Activations, record
from profiles.finding.batches import MAX_TOKENS
from profiles.finding.sites import SITES
from profiles.models.architecture import find_ffns
from profiles.models.model import LoadedModel, load_model


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> LoadedModel:
    return load_model(tiny_folder, "tiny", "fp32")


PROJECTIONS = {
    "attention": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"],
    "mlp-linear": ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"],
}
PROJECTIONS["all-linear"] = PROJECTIONS["attention"] + PROJECTIONS["mlp-linear"]


def _plain(loaded: LoadedModel, sentence: str, site: str, layer: int) -> dict[str, torch.Tensor]:
    """Units, activity and FFN outputs of one sentence, [tokens, ...], BOS left out."""
    ffn = find_ffns(loaded.model)[layer]
    block = loaded.model.model.layers[layer]
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        return lambda _m, _a, out: seen.update({name: out[0, 1:].clone()})

    handles = [
        ffn.down.register_forward_pre_hook(lambda _m, a: seen.update(ffn=a[0][0, 1:].clone())),
        ffn.output.register_forward_hook(keep("output")),
        block.mlp.gate_proj.register_forward_hook(keep("gate")),
    ]
    paths = PROJECTIONS.get(site, [])
    handles += [block.get_submodule(p).register_forward_hook(keep(p)) for p in paths]
    with torch.inference_mode():
        loaded.model(**loaded.tokenizer(sentence, return_tensors="pt"))
    for handle in handles:
        handle.remove()
    units = torch.cat([seen[p] for p in paths], 1) if paths else seen["ffn"]
    active = units > 0 if paths else torch.nn.functional.silu(seen["gate"]) > 0
    return {"units": units, "active": active.float(), "output": seen["output"]}


@pytest.mark.parametrize("site", SITES)
def test_equals_a_plain_loop(loaded: LoadedModel, corpus_folder: Path, site: Any) -> None:
    """Against one sentence at a time, written the obvious way."""
    corpus = read_corpus(str(corpus_folder))
    found = record(loaded, corpus, site=site)
    assert found.sentences.tolist() == [len(corpus.texts[tag]) for tag in found.languages]
    for k, language in enumerate(found.languages):
        for i in range(2):
            plain = [_plain(loaded, s, site, i) for s in corpus.texts[language]]
            means = torch.stack([p["units"].mean(0) for p in plain]).numpy()
            np.testing.assert_allclose(found.means[found.labels == k, i], means, atol=1e-5)
            units, active, output = (
                torch.cat([p[name] for p in plain]) for name in ("units", "active", "output")
            )
            assert int(found.tokens[k]) == len(units)
            np.testing.assert_allclose(found.token_mean[k, i], units.mean(0), atol=1e-5)
            std = units.std(0, correction=0)
            np.testing.assert_allclose(found.token_std[k, i], std, atol=1e-4)
            # A value at zero may fall on either side of it in a batch of another shape.
            np.testing.assert_allclose(found.token_active[k, i], active.mean(0), atol=2e-3)
            np.testing.assert_allclose(found.output_mean[k, i], output.mean(0), atol=1e-5)


def test_a_gate_and_its_neuron_are_told_apart(loaded: LoadedModel, corpus_folder: Path) -> None:
    """The sign of a neuron is that of gate and up together: LAPE counts the gate alone."""
    found = record(loaded, read_corpus(str(corpus_folder)))
    linear = record(loaded, read_corpus(str(corpus_folder)), site="mlp-linear")
    (gate, width), *_ = linear.parts
    assert gate == "mlp.gate_proj"
    np.testing.assert_array_equal(found.token_active, linear.token_active[:, :, :width])


def test_units_are_named(loaded: LoadedModel, corpus_folder: Path) -> None:
    corpus = read_corpus(str(corpus_folder))
    found: Activations = record(loaded, corpus, site="attention")
    assert found.parts == tuple(zip(PROJECTIONS["attention"], [16, 8, 8, 16], strict=True))
    assert found.unit(15) == ("self_attn.q_proj", 15)
    assert found.unit(16) == ("self_attn.k_proj", 0)
    assert found.unit(47) == ("self_attn.o_proj", 15)
    for outside in (-1, 48):
        with pytest.raises(IndexError, match=f"unit {outside}, a layer has 48"):
            found.unit(outside)


def test_activations_that_are_not_finite_are_refused(
    loaded: LoadedModel, corpus_folder: Path
) -> None:
    weight = find_ffns(loaded.model)[1].down.weight
    before = weight.detach().clone()
    try:
        weight.data[0, 0] = torch.nan
        with pytest.raises(ModelError, match="not finite"):
            record(loaded, read_corpus(str(corpus_folder)))
    finally:
        weight.data.copy_(before)


def test_a_module_that_is_bypassed_is_reported(loaded: LoadedModel, corpus_folder: Path) -> None:
    """As a fused kernel would: no response is better than a wrong one."""
    mlp = loaded.model.model.layers[1].mlp
    mlp.forward = lambda x: mlp.down_proj(
        torch.nn.functional.silu(mlp.gate_proj(x)) * mlp.up_proj(x)
    )
    try:
        with pytest.raises(ModelError, match="never called the activation of layer 1"):
            record(loaded, read_corpus(str(corpus_folder)))
    finally:
        del mlp.forward


def test_large_responses_go_to_a_file(loaded: LoadedModel, corpus_folder: Path) -> None:
    corpus = read_corpus(str(corpus_folder))
    mapped = record(loaded, corpus, memory_limit=0)
    assert isinstance(mapped.means, np.memmap)
    plain = record(loaded, corpus)
    np.testing.assert_array_equal(mapped.means, plain.means)
    half = record(loaded, corpus, memory_limit=0, stored="float16")
    np.testing.assert_array_equal(half.means, plain.means.astype(np.float16))


def test_long_sentences_are_dropped_and_counted(loaded: LoadedModel) -> None:
    texts = {"en": ["short", "x" * MAX_TOKENS, "y" * (MAX_TOKENS + 1)], "de": ["kurz"]}
    found = record(loaded, Corpus(source="test", texts=texts))
    assert found.dropped.tolist() == [1, 0]
    assert len(found.labels) == 3
    with pytest.raises(CorpusError, match="de has no sentence"):
        record(loaded, Corpus(source="test", texts=texts | {"de": ["z" * 300]}))


def test_progress_ends_at_the_total(loaded: LoadedModel, corpus_folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    record(loaded, read_corpus(str(corpus_folder)), progress=lambda a, b: seen.append((a, b)))
    assert seen[-1][0] == seen[-1][1]
    assert seen == sorted(seen)
