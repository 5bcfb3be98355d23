from __future__ import annotations

from pathlib import Path

import pytest
import torch

from profiles.judging.residual import best_place, difference, residual_means, shifted
from profiles.models.model import LoadedModel, load_model

TEXTS = {"en": ["abc abc", "cab"], "de": ["xyz", "zyx yy x"], "fr": ["mnm", "nnm"]}


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> LoadedModel:
    return load_model(tiny_folder, "tiny", "fp32")


def test_means_are_over_tokens_without_bos(tiny: LoadedModel) -> None:
    found = residual_means(tiny, TEXTS)
    assert found["de"].shape == (2, 16)
    rows = [tiny.tokenizer(text).input_ids for text in TEXTS["de"]]
    with torch.inference_mode():
        states = [
            tiny.decoder(input_ids=torch.tensor([row]), output_hidden_states=True).hidden_states[1]
            for row in rows
        ]
    tokens = torch.cat([state[0, 1:] for state in states])
    torch.testing.assert_close(found["de"][0], tokens.mean(0), rtol=1e-4, atol=1e-5)


def test_difference_is_to_the_mean_of_the_others() -> None:
    means = {tag: torch.full((2, 3), value) for tag, value in (("a", 5.0), ("b", 1.0), ("c", 3.0))}
    assert torch.equal(difference(means, "a"), torch.full((2, 3), 3.0))


def test_shifted_adds_at_one_layer_and_leaves_no_trace(tiny: LoadedModel) -> None:
    ids = torch.tensor([[2, 5, 6]])
    vector = torch.arange(16.0)

    def streams() -> list[torch.Tensor]:
        """Output of both layers; hooked later than `shifted`, so that its change is seen."""
        found: list[torch.Tensor] = []
        handles = [
            layer.register_forward_hook(lambda _m, _a, out: found.append(out))
            for layer in tiny.decoder.layers
        ]
        with torch.inference_mode():
            tiny.decoder(input_ids=ids, use_cache=False)
        for handle in handles:
            handle.remove()
        return found

    before = streams()
    with shifted(tiny, 0, vector):
        within = streams()
    torch.testing.assert_close(within[0] - before[0], vector.expand(1, 3, 16))
    assert not torch.equal(within[1], before[1])
    assert torch.equal(streams()[1], before[1])


def test_best_place_tries_every_place(tiny: LoadedModel) -> None:
    """A vector of huge norm ruins the text, so the smallest gain is best; zero is neutral."""
    vectors = torch.stack([torch.ones(16) * 1e3, torch.zeros(16)])
    layer, _ = best_place(tiny, vectors, [("abc", "cab"), ("ab", "bca")])
    assert layer in (0, 1)
    ruined = best_place(tiny, vectors[:1].expand(2, 16), [("abc", "cab")])
    assert ruined[1] in (0.5, 1.0, 2.0)
