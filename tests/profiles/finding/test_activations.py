from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from profiles.corpora.corpus import Corpus, read_corpus
from profiles.errors import CorpusError
from profiles.finding.activations import MAX_TOKENS, record
from profiles.models.architecture import find_ffns
from profiles.models.model import LoadedModel, load_model


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> LoadedModel:
    return load_model(tiny_folder, "tiny", "fp32")


def test_equals_a_plain_loop(loaded: LoadedModel, corpus_folder: Path) -> None:
    """Against one sentence at a time, BOS left out, written the obvious way."""
    corpus = read_corpus(str(corpus_folder))
    found = record(loaded, corpus)
    ffns = find_ffns(loaded.model)
    for k, language in enumerate(found.languages):
        tokens: list[list[torch.Tensor]] = [[], []]
        outputs: list[list[torch.Tensor]] = [[], []]
        for sentence in corpus.texts[language]:
            handles = []
            for i, ffn in enumerate(ffns):

                def before(_m: Any, args: Any, to: list[torch.Tensor] = tokens[i]) -> None:
                    to.append(args[0][0, 1:].clone())

                def after(_m: Any, _a: Any, h: Any, to: list[torch.Tensor] = outputs[i]) -> None:
                    to.append(h[0, 1:].clone())

                handles.append(ffn.down.register_forward_pre_hook(before))
                handles.append(ffn.output.register_forward_hook(after))
            with torch.inference_mode():
                loaded.model(**loaded.tokenizer(sentence, return_tensors="pt"))
            for handle in handles:
                handle.remove()
        for i in range(2):
            means = torch.stack([t.mean(0) for t in tokens[i]]).numpy()
            np.testing.assert_allclose(found.means[found.labels == k, i], means, atol=1e-5)
            everything = torch.cat(tokens[i])
            assert int(found.tokens[k]) == len(everything)
            np.testing.assert_allclose(found.token_mean[k, i], everything.mean(0), atol=1e-5)
            std = everything.std(0, correction=0)
            np.testing.assert_allclose(found.token_std[k, i], std, atol=1e-4)
            output = torch.cat(outputs[i]).mean(0)
            np.testing.assert_allclose(found.output_mean[k, i], output, atol=1e-5)


def test_large_responses_go_to_a_file(loaded: LoadedModel, corpus_folder: Path) -> None:
    corpus = read_corpus(str(corpus_folder))
    mapped = record(loaded, corpus, memory_limit=0)
    assert isinstance(mapped.means, np.memmap)
    np.testing.assert_array_equal(mapped.means, record(loaded, corpus).means)


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
