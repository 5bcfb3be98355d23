"""Examples as batches, and the loss of the tokens that count."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from profiles.learning.prefixes import Example
from profiles.learning.targets import Batch, Encoder, TextLoss, batches

VOCABULARY = 100


def batch_of(ids: torch.Tensor, early: bool = True) -> Batch:
    counts = torch.ones_like(ids, dtype=torch.bool)
    counts[:, 0] = False
    near = torch.full((int(counts.sum()),), early)
    return Batch(
        ids=ids,
        counts=counts,
        bare=ids,
        bare_counts=counts,
        first=torch.zeros(len(ids)),
        early=near,
    )


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
    other = batch_of(torch.randint(3, 90, (4, 20), generator=torch.Generator().manual_seed(1)))
    before = float(sampled(batch, seed=1))
    sampled(other, seed=1)  # with targets of its own that are not known beforehand
    assert float(sampled(batch, seed=1)) == before


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


def test_what_goes_on_in_its_language_is_compared_in_its_context(tokenizer: Any) -> None:
    encode = Encoder(tokenizer, context=9, length=4)
    batch = batches([encode(Example(kind="same", prefix="abc", text="def"))], 1, encode, 2)[0]
    assert torch.equal(batch.ids, batch.bare)
    assert not batch.early.any()


def test_text_keeps_its_order_with_and_without_context(tokenizer: Any) -> None:
    encode = Encoder(tokenizer, context=5, length=4)
    examples = [
        Example(kind="cut", prefix="a long context", text="continued"),
        Example(kind="nothing", prefix="", text="ab"),
    ]
    batch = batches([encode(e) for e in examples], 2, encode, early=1)[0]
    assert batch.ids.shape == (2, 1 + 5 + 4)
    assert batch.bare.shape == (2, 1 + 4)
    texts = tokenizer("ab", False).input_ids + tokenizer("cont", False).input_ids
    assert batch.ids[batch.counts].tolist() == texts
    assert batch.bare[batch.bare_counts].tolist() == texts
    assert batch.early.tolist() == [True, False, True, False, False, False]
    assert (batch.ids[:, 0] == tokenizer.bos_token_id).all()
    assert (batch.ids == tokenizer.bos_token_id).sum() == 2  # never doubled


def test_some_contexts_are_left_unedited(tokenizer: Any) -> None:
    encode = Encoder(tokenizer, context=9, length=4)
    example = Example(kind="cut", prefix="abc", text="def")
    rng = random.Random(0)
    assert encode(example, rng, 0.0).first == 0
    # BOS, then the three characters of the context; the last one's output is sampled first.
    assert encode(example, rng, 1.0).first == 3
    assert batches([encode(example, rng, 1.0)], 1, encode, 2)[0].first.tolist() == [3]


def test_padding_is_told_from_tokens(tokenizer: Any) -> None:
    encode = Encoder(tokenizer, context=5, length=4)
    examples = [
        Example(kind="nothing", prefix="", text="ab"),
        Example(kind="cut", prefix="c", text="de"),
    ]
    batch = batches([encode(e) for e in examples], 2, encode, early=1)[0]
    assert batch.filled.tolist() == [[True, True, True, False], [True] * 4]


def test_bos_stands_where_the_tokenizer_puts_it(tokenizer: Any) -> None:
    def bare(text: Any, add_special_tokens: bool = True) -> Any:
        return tokenizer(text, False)

    class Without(type(tokenizer)):  # type: ignore[misc]
        __call__ = staticmethod(bare)

    with_context = Example(kind="cut", prefix="c", text="de")
    assert tokenizer.bos_token_id in Encoder(tokenizer, context=5, length=4)(with_context).start
    encode = Encoder(Without(), context=5, length=4)
    assert tokenizer.bos_token_id not in encode(with_context).start
    # A text from nothing still has to come after something.
    nothing = encode(Example(kind="nothing", prefix="", text="ab"))
    assert nothing.start == (tokenizer.bos_token_id,)
