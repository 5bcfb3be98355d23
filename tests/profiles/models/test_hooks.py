"""Positions: decode-only edits with and without a KV cache, and left padding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from profiles.compose import compose
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel, load_model
from profiles.profile import Edit, NeuronEdit, OffsetEdit


def _edit() -> Edit:
    return Edit(
        offsets=OffsetEdit(layer=np.array([0], np.int32), value=np.ones((1, 16), np.float32))
    )


def _load(folder: Path) -> LoadedModel:
    return load_model(folder, "tiny", "fp32")


def test_from_a_position_on(tiny_folder: Path) -> None:
    model = _load(tiny_folder).model
    ids = torch.tensor([[2, 10, 11, 12, 13]])
    with torch.inference_mode():
        plain = model(input_ids=ids).logits
        with edited(model, _edit(), first_position=3):
            late = model(input_ids=ids).logits
            first = model(input_ids=ids[:, :4], use_cache=True)
            step = model(
                input_ids=ids[:, 4:], past_key_values=first.past_key_values, use_cache=True
            ).logits
    torch.testing.assert_close(late[:, :3], plain[:, :3], rtol=0, atol=0)
    assert not torch.allclose(late[:, 3:], plain[:, 3:])
    torch.testing.assert_close(step[:, 0], late[:, 4])


def test_left_padding_and_rows_of_their_own(tiny_folder: Path) -> None:
    model = _load(tiny_folder).model
    ids = torch.tensor([[2, 10, 11, 12], [0, 2, 10, 11]])
    mask = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1]])
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    with torch.inference_mode():
        with edited(model, _edit(), first_position=[2, 1]):
            both = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
        with edited(model, _edit(), first_position=2):
            first = model(input_ids=ids[:1]).logits
        with edited(model, _edit(), first_position=1):
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
