"""Learning offsets, on a tiny random model and a tokenizer of single characters."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from profiles.errors import CorpusError
from profiles.learning.learn import Options, learn_offsets
from profiles.learning.prefixes import Example
from profiles.learning.targets import Batch, Encoder, TextLoss, batches
from profiles.models.hooks import edited
from profiles.profile import OffsetEdit

LAYERS, HIDDEN, VOCABULARY = 2, 16, 100
QUICK = Options(steps=30, batch=4, every=5, negatives=16, rate=0.2, gain=1.0, context=24, length=16)
LINES = {
    "en": [f"the {n} cats sat on a mat" for n in range(20)],
    "xx": [f"zyx {n} wzzy xyw zz wyx" for n in range(20)],
}


class Characters:
    """A tokenizer of single characters that adds BOS where special tokens are asked for."""

    bos_token_id, eos_token_id, pad_token_id = 1, 2, 0
    all_special_ids = (0, 1, 2)

    def __call__(self, text: Any, add_special_tokens: bool = True) -> SimpleNamespace:
        start = [self.bos_token_id] if add_special_tokens else []
        if isinstance(text, str):
            return SimpleNamespace(input_ids=start + [3 + ord(c) % 97 for c in text])
        return SimpleNamespace(input_ids=[self(t, add_special_tokens).input_ids for t in text])


@pytest.fixture
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=HIDDEN,
        intermediate_size=32,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=VOCABULARY,
        max_position_embeddings=128,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).to(torch.bfloat16)


def test_the_loss_falls_and_the_model_stays_as_it_was(model: LlamaForCausalLM) -> None:
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    seen: list[tuple[int, int]] = []
    learned = learn_offsets(
        model,
        Characters(),
        LINES,
        "xx",
        options=QUICK,
        progress=lambda step, total, _loss, _held: seen.append((step, total)),
    )
    assert learned.report.curve[-1][2] < learned.report.curve[0][2] - 0.2
    assert seen == [(n, 30) for n in range(1, 31)]
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name]), name
        assert p.requires_grad
        assert p.grad is None
    offsets = learned.edit.offsets
    assert offsets is not None
    assert offsets.layer.tolist() == [0, 1]
    assert offsets.value.shape == (LAYERS, HIDDEN)
    assert offsets.value.dtype == np.float32
    json.dumps(dataclasses.asdict(learned.report))


def test_the_edit_makes_the_language_likelier_in_use(model: LlamaForCausalLM) -> None:
    edit = learn_offsets(model, Characters(), LINES, "xx", options=QUICK).edit
    ids = torch.tensor([Characters()("the cat zyx wzzy").input_ids])

    def loss() -> float:
        with torch.no_grad():
            return float(model(input_ids=ids, labels=ids).loss)

    plain = loss()
    with edited(model, edit):
        assert loss() < plain
    assert loss() == plain


def test_the_seed_decides(model: LlamaForCausalLM) -> None:
    def value(seed: int) -> np.ndarray[Any, Any]:
        options = dataclasses.replace(QUICK, steps=3)
        edit = learn_offsets(model, Characters(), LINES, "xx", options=options, seed=seed).edit
        assert edit.offsets
        return edit.offsets.value

    np.testing.assert_array_equal(value(1), value(1))
    assert not np.array_equal(value(1), value(2))


def test_a_time_budget_ends_learning(model: LlamaForCausalLM) -> None:
    options = dataclasses.replace(QUICK, steps=10**6, seconds=0.2, every=10**6)
    report = learn_offsets(model, Characters(), LINES, "xx", options=options).report
    assert 0 < report.steps < 10**6
    assert len(report.curve) == 2  # the start and the end


def test_no_progress_ends_learning_and_keeps_the_start(model: LlamaForCausalLM) -> None:
    init = OffsetEdit(
        layer=np.arange(1, dtype=np.int32), value=np.full((1, HIDDEN), 0.01, np.float32)
    )
    options = dataclasses.replace(QUICK, rate=-0.2, patience=2)  # uphill
    learned = learn_offsets(model, Characters(), LINES, "xx", options=options, init=init)
    assert (learned.report.steps, learned.report.best_step) == (10, 0)
    assert learned.edit.offsets
    np.testing.assert_allclose(learned.edit.offsets.value[0], 0.01, rtol=1e-5)
    np.testing.assert_array_equal(learned.edit.offsets.value[1], 0)


def test_an_edit_that_would_change_nothing_is_an_error(model: LlamaForCausalLM) -> None:
    options = dataclasses.replace(QUICK, rate=-0.2, patience=2)  # uphill, from nothing
    with pytest.raises(CorpusError, match="did not lower the held-out loss"):
        learn_offsets(model, Characters(), LINES, "xx", options=options)


def test_gain_scales_the_result(model: LlamaForCausalLM) -> None:
    def value(gain: float) -> np.ndarray[Any, Any]:
        options = dataclasses.replace(QUICK, steps=2, every=1, gain=gain)
        edit = learn_offsets(model, Characters(), LINES, "xx", options=options).edit
        assert edit.offsets
        return edit.offsets.value

    np.testing.assert_allclose(value(1.5), 1.5 * value(1.0), rtol=1e-5)


def test_suppressing_makes_other_languages_likelier_after_the_denied_one(
    model: LlamaForCausalLM,
) -> None:
    report = learn_offsets(model, Characters(), LINES, "xx", role="suppress", options=QUICK).report
    assert report.curve[-1][2] < report.curve[0][2] - 0.03


def test_errors_name_what_is_missing(model: LlamaForCausalLM) -> None:
    with pytest.raises(CorpusError, match=r"no text in 'de'.*\['en', 'xx'\]"):
        learn_offsets(model, Characters(), LINES, "de")
    with pytest.raises(CorpusError, match="another language"):
        learn_offsets(model, Characters(), {"xx": LINES["xx"]}, "xx")
    with pytest.raises(CorpusError, match="3 lines in 'en'"):
        learn_offsets(model, Characters(), {**LINES, "en": LINES["en"][:3]}, "xx")


def batch_of(ids: torch.Tensor, early: bool = True) -> Batch:
    counts = torch.ones_like(ids, dtype=torch.bool)
    counts[:, 0] = False
    near = torch.full((int(counts.sum()),), early)
    return Batch(ids=ids, counts=counts, bare=ids, bare_counts=counts, early=near)


def exact_loss(model: Any, ids: torch.Tensor) -> float:
    logits = model(input_ids=ids).logits[:, :-1].reshape(-1, VOCABULARY).float()
    return float(torch.nn.functional.cross_entropy(logits, ids[:, 1:].reshape(-1)))


@torch.no_grad()
def test_the_sampled_vocabulary_estimates_the_whole(model: LlamaForCausalLM) -> None:
    model = model.float()
    batch = batch_of(torch.randint(3, 40, (4, 20), generator=torch.Generator().manual_seed(0)))
    exact = exact_loss(model, batch.ids)
    assert float(TextLoss(model, range(40), 0, 0)(batch)) == pytest.approx(exact, abs=1e-4)
    sampled = TextLoss(model, range(30), 20, 0)  # ten targets are not known beforehand
    estimates = [float(sampled(batch)) for _ in range(100)]
    assert np.mean(estimates) == pytest.approx(exact, abs=0.05)
    assert float(sampled(batch, seed=1)) == float(sampled(batch, seed=1))


@torch.no_grad()
def test_a_model_that_scales_its_logits_gets_the_whole_vocabulary(
    model: LlamaForCausalLM,
) -> None:
    class Scaled(LlamaForCausalLM):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            out = super().forward(*args, **kwargs)
            out.logits = 0.3 * out.logits
            return out

    scaled = Scaled(model.config)
    scaled.load_state_dict(model.state_dict())
    batch = batch_of(torch.randint(3, 40, (2, 10)))
    loss = TextLoss(scaled, range(40), 16, 0)
    assert float(loss(batch)) == pytest.approx(exact_loss(scaled, batch.ids), abs=1e-3)


@torch.no_grad()
def test_later_tokens_are_compared_with_the_unedited_model(model: LlamaForCausalLM) -> None:
    model = model.float()
    batch = batch_of(torch.randint(3, 40, (2, 10)), early=False)
    logits = model(input_ids=batch.ids).logits[:, :-1]
    entropy = float(torch.distributions.Categorical(logits=logits).entropy().mean())
    loss = TextLoss(model, range(40), 0, 0, contextlib.nullcontext)
    assert float(loss(batch)) == pytest.approx(entropy, abs=1e-4)


def test_what_goes_on_in_its_language_is_compared_in_its_context() -> None:
    encode = Encoder(Characters(), context=9, length=4)
    batch = batches([encode(Example(kind="same", prefix="abc", text="def"))], 1, encode, 2)[0]
    assert torch.equal(batch.ids, batch.bare)
    assert not batch.early.any()


def test_text_keeps_its_order_with_and_without_context() -> None:
    encode = Encoder(Characters(), context=5, length=4)
    examples = [
        Example(kind="cut", prefix="a long context", text="continued"),
        Example(kind="nothing", prefix="", text="ab"),
    ]
    batch = batches([encode(e) for e in examples], 2, encode, early=1)[0]
    assert batch.ids.shape == (2, 1 + 5 + 4)
    assert batch.bare.shape == (2, 1 + 4)
    texts = Characters()("ab", False).input_ids + Characters()("cont", False).input_ids
    assert batch.ids[batch.counts].tolist() == texts
    assert batch.bare[batch.bare_counts].tolist() == texts
    assert batch.early.tolist() == [True, False, True, False, False, False]
    assert (batch.ids[:, 0] == Characters.bos_token_id).all()
    assert (batch.ids == Characters.bos_token_id).sum() == 2  # never doubled
