"""One more memory a layer, learned on a tiny random model."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from profiles.errors import CorpusError, ProfileError
from profiles.learning.learn import learn
from profiles.learning.memories import LearnableMemories
from profiles.learning.offsets import LearnableOffsets
from profiles.learning.options import Options
from profiles.models.architecture import find_ffns
from profiles.models.gate import gate
from profiles.models.hooks import edited
from profiles.profile import Edit, MemoryEdit, OffsetEdit
from tests.profiles.learning.test_learn import HELD, LINES, QUICK

FAST = dataclasses.replace(QUICK, key_rate=0.2, bias_rate=0.1)


def _edit(hidden: int = 16) -> Edit:
    rng = np.random.default_rng(0)
    return Edit(
        memories=MemoryEdit(
            layer=np.array([1, 0], np.int32),
            key=rng.standard_normal((2, hidden), dtype=np.float32),
            bias=np.array([0.5, -0.5], np.float32),
            value=rng.standard_normal((2, hidden), dtype=np.float32),
        )
    )


def _learn(model: Any, tokenizer: Any, learnable: Any, options: Options = FAST, **more: Any) -> Any:
    return learn(model, tokenizer, LINES, HELD, "xx", learnable, options=options, **more)


def test_it_begins_as_an_offset_does_and_goes_on_with_a_key(
    model: LlamaForCausalLM, tokenizer: Any
) -> None:
    learnable = LearnableMemories(find_ffns(model))
    assert [p.shape for p in learnable.parameters()] == [(2, 16), (2, 16), (2,)]
    assert not any(bool(p.any()) for p in learnable.parameters())
    learned = _learn(model, tokenizer, learnable)
    curve = learned.report.curve
    assert min(held for _, _, held in curve) < curve[0][2] - 0.05
    found = learned.edit.memories
    assert found is not None
    assert learned.edit.offsets is None
    assert found.layer.tolist() == [0, 1]
    assert {a.dtype for a in (found.key, found.bias, found.value)} == {np.dtype("f4")}
    for array in (found.key, found.value):
        assert (np.linalg.norm(array, axis=1) > 0).all()
    assert found.bias.all()


def test_the_key_tells_texts_apart(model: LlamaForCausalLM, tokenizer: Any) -> None:
    """Of a random model not which way, but that the gate is not one number."""
    found = _learn(model, tokenizer, LearnableMemories(find_ffns(model))).edit.memories
    gates: dict[str, torch.Tensor] = {}
    for name in LINES:
        ids = torch.tensor([tokenizer(LINES[name][0]).input_ids])
        for n, ffn in enumerate(find_ffns(model)):

            def note(x: torch.Tensor, h: torch.Tensor, n: int = n, name: str = name) -> Any:
                key, bias = (torch.from_numpy(array[n, None]) for array in (found.key, found.bias))
                gates[f"{name} {n}"] = gate(x, key, bias)[0, 1:, 0]
                return h

            undo = ffn.on_both(note)
            with torch.no_grad():
                model(input_ids=ids)
            undo()
    for layer in range(2):
        inside, outside = gates[f"xx {layer}"], gates[f"en {layer}"]
        assert inside.std() > 0.01
        assert abs(float(inside.mean() - outside.mean())) > 0.01


def test_without_a_key_it_learns_what_an_offset_learns(
    model: LlamaForCausalLM, tokenizer: Any
) -> None:
    still = dataclasses.replace(QUICK, steps=5, key_rate=0.0, bias_rate=0.0)
    memories = _learn(model, tokenizer, LearnableMemories(find_ffns(model)), still).edit.memories
    offsets = _learn(model, tokenizer, LearnableOffsets(find_ffns(model)), still).edit.offsets
    assert not memories.key.any()
    assert not memories.bias.any()
    np.testing.assert_allclose(memories.value, offsets.value, rtol=1e-3, atol=1e-5)


def test_it_begins_from_a_given_edit(model: LlamaForCausalLM, tokenizer: Any) -> None:
    init = _edit()
    assert init.memories
    still = dataclasses.replace(FAST, rate=0.0, key_rate=0.0, bias_rate=0.0, steps=2)
    learned = _learn(model, tokenizer, LearnableMemories(find_ffns(model)), still, init=init)
    for name in ("key", "bias", "value"):
        ours, theirs = getattr(learned.edit.memories, name), getattr(init.memories, name)
        np.testing.assert_allclose(ours[::-1], theirs, rtol=1e-5)
    offset = OffsetEdit(layer=np.zeros(1, np.int32), value=np.ones((1, 16), np.float32))
    with pytest.raises(ProfileError, match="begins from an edit with memories"):
        LearnableMemories(find_ffns(model)).start(Edit(offsets=offset))


@pytest.mark.parametrize("first", [0, 5])
def test_hooks_do_what_learning_did(model: LlamaForCausalLM, tokenizer: Any, first: int) -> None:
    model.float()
    ids = torch.tensor([tokenizer("the cat zyx wzzy").input_ids])
    learnable = LearnableMemories(find_ffns(model))
    learnable.size_L = torch.tensor([0.5, 2.0])
    learnable.start(_edit())
    with torch.no_grad(), learnable:
        learnable.begin(torch.tensor([first]))
        ours = model(input_ids=ids).logits
        with learnable.off():
            plain = model(input_ids=ids).logits
    with torch.no_grad(), edited(model, _edit(), first_position=first):
        theirs = model(input_ids=ids).logits
    torch.testing.assert_close(ours, theirs)
    assert not torch.allclose(ours, plain)


def test_memories_whose_values_are_zero_change_nothing(
    model: LlamaForCausalLM, tokenizer: Any
) -> None:
    """Keys move only once there is a value, but an edit with keys alone would still be none."""
    options = dataclasses.replace(QUICK, rate=0.0, steps=4)
    with pytest.raises(CorpusError, match="did not lower the held-out loss"):
        _learn(model, tokenizer, LearnableMemories(find_ffns(model)), options)
