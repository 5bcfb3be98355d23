from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from profiles.corpora.corpus import Corpus, read_corpus
from profiles.errors import CorpusError, ModelError
from profiles.inside.layers.read import read_layers, short_lines
from profiles.inside.layers.readings import Readings
from profiles.inside.layers.shape import shape
from profiles.models.architecture import find_dense_ffns
from profiles.models.model import LoadedModel, load_model
from tests.tiny_model import save_model

FAMILIES: dict[str, dict[str, Any]] = {
    "Llama": {"hidden_size": 16, "intermediate_size": 32, "num_key_value_heads": 1},
    # No gate; one axis for batch and sequence before the FFN; exact zeros.
    "OPT": {"hidden_size": 16, "ffn_dim": 32, "word_embed_proj_dim": 16},
    "GPT2": {"n_embd": 16, "n_inner": 32},
}


@pytest.fixture(scope="module", params=FAMILIES)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = tmp_path_factory.mktemp(request.param)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2} | FAMILIES[request.param]
    return load_model(save_model(folder, request.param, **sizes), "tiny", "fp32")


def _plain(loaded: LoadedModel, sentence: str, layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """(neurons, act(gate), outputs) of one sentence, [tokens, ...], special tokens left out."""
    ffn = find_dense_ffns(loaded.model)[layer]
    above = loaded.model.get_submodule(
        {m: n for n, m in loaded.model.named_modules()}[ffn.down].rpartition(".")[0]
    )
    seen: dict[str, Tensor] = {}
    handles = [
        ffn.down.register_forward_pre_hook(lambda _m, a: seen.update(x=a[0].clone())),
        ffn.down.register_forward_hook(lambda _m, _a, h: seen.update(h=h.clone())),
    ]
    if hasattr(above, "gate_proj"):
        handles.append(
            above.gate_proj.register_forward_hook(lambda _m, _a, g: seen.update(g=g.clone()))
        )
    encoded = loaded.tokenizer(sentence, return_special_tokens_mask=True)
    real = ~torch.tensor(encoded["special_tokens_mask"]).bool()
    with torch.inference_mode():
        loaded.model(input_ids=torch.tensor([encoded["input_ids"]]))
    for handle in handles:
        handle.remove()
    x, h = (seen[name].reshape(len(real), -1)[real].double() for name in ("x", "h"))
    gate = torch.nn.functional.silu(seen["g"][0, real].double()) if "g" in seen else x
    return x, gate, h


def test_equals_a_plain_loop(loaded: LoadedModel, corpus_folder: Path) -> None:
    corpus = short_lines(loaded, read_corpus(str(corpus_folder)))
    found = read_layers(loaded, corpus)
    assert (found.lines, found.layers) == (24, 2)
    assert (found.units("detectors"), found.units("combinators")) == (32, 16)
    for k, language in enumerate(found.languages):
        for s in (0, 7, 23):
            row = k * found.lines + s
            for layer in range(2):
                x, gate, h = _plain(loaded, corpus.texts[language][s], layer)
                assert found.tokens[k, s] == len(x)
                for half, values in (("detectors", x), ("combinators", h)):
                    responses = found.responses[half][row, layer]  # type: ignore[index]
                    np.testing.assert_allclose(responses, values.mean(0), atol=1e-5)
                    want = [each.mean().item() for each in shape(values)]
                    got = found.shapes[half][:, k, s, layer]  # type: ignore[index]
                    np.testing.assert_allclose(got, want, atol=1e-4)
                # A value at zero may fall on either side of it in a batch of another shape.
                off = np.abs(found.active[row, layer] - (gate > 0).sum(0).numpy())
                assert off.max() <= 1
                assert off.sum() <= 1


def test_output_norms_are_means_over_all_tokens(loaded: LoadedModel, corpus_folder: Path) -> None:
    corpus = short_lines(loaded, read_corpus(str(corpus_folder), limit=20))
    found = read_layers(loaded, corpus)
    lines = [line for texts in corpus.texts.values() for line in texts]
    for layer in range(2):
        norms = torch.cat([_plain(loaded, line, layer)[2].norm(dim=1) for line in lines])
        assert found.output_norms[layer] == pytest.approx(norms.mean().item(), rel=1e-4)


def test_large_readings_go_to_files(loaded: LoadedModel, corpus_folder: Path) -> None:
    corpus = short_lines(loaded, read_corpus(str(corpus_folder)))
    mapped, plain = read_layers(loaded, corpus, memory_limit=0), read_layers(loaded, corpus)
    assert isinstance(mapped.active, np.memmap)
    for one, other in zip(_arrays(mapped), _arrays(plain), strict=True):
        np.testing.assert_array_equal(one, other)


def _arrays(found: Readings) -> list[Any]:
    return [
        found.tokens,
        found.active,
        found.output_norms,
        *found.responses.values(),
        *found.shapes.values(),
    ]


def test_progress_ends_at_the_total(loaded: LoadedModel, corpus_folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    corpus = short_lines(loaded, read_corpus(str(corpus_folder)))
    read_layers(loaded, corpus, progress=lambda a, b: seen.append((a, b)))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


def test_a_line_too_long_in_one_language_goes_in_all(loaded: LoadedModel) -> None:
    texts = {tag: [f"{tag} {n}" for n in range(30)] for tag in ("de", "en")}
    texts["en"][4] = "x" * 300
    found = short_lines(loaded, Corpus(source="test", texts=texts))
    assert found.numbers["de"] == tuple(n for n in range(30) if n != 4)
    assert "de 4" not in found.texts["de"]
    assert found.warnings == ("1 of 30 lines are not in every language: left out",)
    texts["en"] = ["y" * 300 for _ in range(30)]
    with pytest.raises(CorpusError, match="0 lines are there in all languages, at least 20"):
        short_lines(loaded, Corpus(source="test", texts=texts))


def test_activations_that_are_not_finite_are_refused(
    loaded: LoadedModel, corpus_folder: Path
) -> None:
    weight = find_dense_ffns(loaded.model)[1].down.weight
    before = weight.detach().clone()  # type: ignore[operator]
    corpus = short_lines(loaded, read_corpus(str(corpus_folder)))
    try:
        weight.data[0, 0] = torch.nan  # type: ignore[operator,index]
        with pytest.raises(ModelError, match="not finite"):
            read_layers(loaded, corpus)
    finally:
        weight.data.copy_(before)  # type: ignore[operator,union-attr]


def test_a_module_that_is_bypassed_is_reported(tiny_folder: Path, corpus_folder: Path) -> None:
    loaded = load_model(tiny_folder, "tiny", "fp32")
    mlp = loaded.model.model.layers[1].mlp
    mlp.forward = lambda x: mlp.down_proj(
        torch.nn.functional.silu(mlp.gate_proj(x)) * mlp.up_proj(x)
    )
    with pytest.raises(ModelError, match="never called the FFN modules of layer 1"):
        read_layers(loaded, short_lines(loaded, read_corpus(str(corpus_folder))))
