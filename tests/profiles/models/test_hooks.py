"""Edits by hooks: their arithmetic, decode-only ones with and without a KV cache, left padding."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from profiles.compose import compose
from profiles.models.gate import gate
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel, load_model
from profiles.profile import Edit, MemoryEdit, NeuronEdit, OffsetEdit


def _edit() -> Edit:
    return Edit(
        offsets=OffsetEdit(layer=np.array([0], np.int32), value=np.ones((1, 16), np.float32))
    )


def _memories(seed: int = 0) -> Edit:
    """One in each of the two layers, keys long enough for gates far from 1."""
    rng = np.random.default_rng(seed)
    return Edit(
        memories=MemoryEdit(
            layer=np.array([1, 0], np.int32),
            key=rng.standard_normal((2, 16), dtype=np.float32),
            bias=np.array([0.5, -1.0], np.float32),
            value=rng.standard_normal((2, 16), dtype=np.float32),
        )
    )


def _load(folder: Path) -> LoadedModel:
    return load_model(folder, "tiny", "fp32")


@pytest.mark.parametrize("edit", [_edit(), _memories()], ids=["offset", "memories"])
def test_from_a_position_on(tiny_folder: Path, edit: Edit) -> None:
    model = _load(tiny_folder).model
    ids = torch.tensor([[2, 10, 11, 12, 13]])
    with torch.inference_mode():
        plain = model(input_ids=ids).logits
        with edited(model, edit, first_position=3):
            late = model(input_ids=ids).logits
            first = model(input_ids=ids[:, :4], use_cache=True)
            step = model(
                input_ids=ids[:, 4:], past_key_values=first.past_key_values, use_cache=True
            ).logits
    torch.testing.assert_close(late[:, :3], plain[:, :3], rtol=0, atol=0)
    assert not torch.allclose(late[:, 3:], plain[:, 3:])
    torch.testing.assert_close(step[:, 0], late[:, 4])


@pytest.mark.parametrize("edit", [_edit(), _memories()], ids=["offset", "memories"])
def test_left_padding_and_rows_of_their_own(tiny_folder: Path, edit: Edit) -> None:
    model = _load(tiny_folder).model
    ids = torch.tensor([[2, 10, 11, 12], [0, 2, 10, 11]])
    mask = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1]])
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    with torch.inference_mode():
        with edited(model, edit, first_position=[2, 1]):
            both = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
        with edited(model, edit, first_position=2):
            first = model(input_ids=ids[:1]).logits
        with edited(model, edit, first_position=1):
            second = model(input_ids=ids[1:, 1:]).logits
    torch.testing.assert_close(both[:1], first)
    torch.testing.assert_close(both[1:, 1:], second)


def test_suppressed_languages_that_share_a_neuron_take_the_mean(tiny_folder: Path) -> None:
    model = _load(tiny_folder).model
    neuron = np.array([4], np.int32)
    layer = np.array([1], np.int32)

    def edit(add: float, scale: float) -> Edit:
        values = [np.array([x], np.float32) for x in (add, scale)]
        return Edit(neurons=NeuronEdit(layer=layer, neuron=neuron, add=values[0], scale=values[1]))

    ids = torch.tensor([[2, 10, 11]])
    with torch.inference_mode():
        with edited(model, compose(None, [edit(3, -1), edit(-1, 0.25)])):
            two = model(input_ids=ids).logits
        with edited(model, edit(1, -0.375)):
            one = model(input_ids=ids).logits
    torch.testing.assert_close(two, one)


def test_rows_may_differ_in_strength(tiny_folder: Path) -> None:
    model = _load(tiny_folder).model
    neuron = np.array([4], np.int32)
    value = np.array([3.0], np.float32)
    edit = Edit(
        offsets=_edit().offsets,
        memories=_memories().memories,
        neurons=NeuronEdit(layer=neuron * 0, neuron=neuron, add=value, scale=value * 0),
    )
    ids = torch.tensor([[2, 10, 11, 12]])
    strengths = [0.0, 0.5, 2.0]
    alone = []
    with torch.inference_mode():
        for strength in strengths:
            with edited(model, edit, strength):
                alone.append(model(input_ids=ids).logits[0])
        with edited(model, edit, strengths):
            together = model(input_ids=ids.expand(3, -1)).logits
    torch.testing.assert_close(together, torch.stack(alone))
    assert not torch.allclose(alone[0], alone[1])


def test_memories_are_what_a_plain_loop_adds(tiny_folder: Path) -> None:
    """Position by position and number by number, three beside an offset in the same layer."""
    model = _load(tiny_folder).model
    edits = [Edit(memories=_memories().memories, offsets=_edit().offsets), *map(_memories, (1, 2))]
    both = compose(edits[0], edits[1:])
    ids = torch.tensor([[2, 10, 11, 12]])
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    mlp = model.model.layers[0].mlp  # its input is the model's own: nothing is edited below it
    note = mlp.register_forward_hook(lambda _m, args, h: seen.append((args[0][0], h[0])))
    with torch.inference_mode():
        model(input_ids=ids)
        with edited(model, both, 0.7):
            note.remove()
            late = mlp.register_forward_hook(lambda _m, args, h: seen.append((args[0][0], h[0])))
            model(input_ids=ids)
            late.remove()
    (x, h), (x2, h2) = seen
    torch.testing.assert_close(x2, x, rtol=0, atol=0)
    for position in range(4):
        vector = [float(number) for number in x[position]]
        size = math.sqrt(sum(number**2 for number in vector) / 16)
        expected = [float(number) + 0.7 for number in h[position]]
        for memories in (edit.memories for edit in edits):
            assert memories
            key, bias, value = memories.key[1], float(memories.bias[1]), memories.value[1]
            score = sum(float(k) * number / size for k, number in zip(key, vector, strict=True))
            opened = 2 / (1 + math.exp(-(score + bias)))
            expected = [e + 0.7 * opened * float(v) for e, v in zip(expected, value, strict=True)]
        assert h2[position].tolist() == pytest.approx(expected, abs=1e-4)


def test_a_memory_without_a_key_is_an_offset(tiny_folder: Path) -> None:
    model = _load(tiny_folder).model
    offset = _edit().offsets
    assert offset
    plain = MemoryEdit(
        layer=offset.layer,
        key=np.zeros_like(offset.value),
        bias=np.zeros(1, np.float32),
        value=offset.value,
    )
    ids = torch.tensor([[2, 10, 11, 12]])
    with torch.inference_mode():
        with edited(model, Edit(offsets=offset), 0.8):
            ours = model(input_ids=ids).logits
        with edited(model, Edit(memories=plain), 0.8):
            theirs = model(input_ids=ids).logits
    torch.testing.assert_close(ours, theirs)


def test_strength_0_is_the_unedited_model_and_more_moves_it_further(tiny_folder: Path) -> None:
    model = _load(tiny_folder).model
    ids = torch.tensor([[2, 10, 11, 12]])
    outputs = []
    mlp = model.model.layers[0].mlp
    for seed in range(4):
        moved = []
        with torch.inference_mode():
            plain = model(input_ids=ids).logits
            for strength in (0.0, 0.3, 0.8, 1.5):
                with edited(model, _memories(seed), strength):
                    note = mlp.register_forward_hook(lambda _m, _a, h: outputs.append(h))
                    logits = model(input_ids=ids).logits
                    note.remove()
                if not strength:
                    torch.testing.assert_close(logits, plain, rtol=0, atol=0)
                    base = outputs[-1]
                moved.append((outputs[-1] - base).norm(dim=-1))
        for less, more in itertools.pairwise(moved):
            assert (more > less).all()


def test_the_gate_of_an_input_of_zeros_is_that_of_the_bias() -> None:
    found = gate(torch.zeros(2, 4), torch.ones(3, 4), torch.tensor([0.3, 0.0, -2.0]))
    expected = [2 / (1 + math.exp(-bias)) for bias in (0.3, 0.0, -2.0)]
    torch.testing.assert_close(found, torch.tensor([expected] * 2))
    assert gate(torch.full((1, 4), 1e30), torch.full((1, 4), 9.0), torch.zeros(1)).item() <= 2
