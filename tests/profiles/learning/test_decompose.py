"""Offsets as sums of value vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from profiles.errors import ProfileError
from profiles.learning.decompose import decompose, express
from profiles.profile import OffsetEdit

HIDDEN, NEURONS = 12, 30


def values() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(HIDDEN, NEURONS, generator=generator) for _ in range(3)]


def offset(v: list[torch.Tensor], parts: dict[tuple[int, int], float]) -> OffsetEdit:
    layers = sorted({layer for layer, _ in parts})
    rows = [
        sum(b * v[layer][:, i] for (at, i), b in parts.items() if at == layer) for layer in layers
    ]
    return OffsetEdit(
        layer=np.array(layers, np.int32), value=torch.stack(rows).numpy().astype(np.float32)
    )


def test_it_finds_the_neurons_an_offset_was_made_of() -> None:
    v = values()
    parts = {(0, 3): 2.0, (0, 17): -1.5, (2, 8): 4.0, (2, 9): 3.0}
    found = decompose(offset(v, parts), v, torch.ones(3), 4)
    pairs = zip(found.neurons.layer.tolist(), found.neurons.neuron.tolist(), strict=True)
    assert dict(zip(pairs, found.neurons.add.tolist(), strict=True)) == pytest.approx(
        parts, abs=1e-4
    )
    assert not found.neurons.scale.any()
    assert found.residual == pytest.approx(0, abs=1e-5)


def test_more_neurons_leave_less_over() -> None:
    v = values()
    goal = OffsetEdit(
        layer=np.arange(3, dtype=np.int32),
        value=np.random.default_rng(0).normal(size=(3, HIDDEN)).astype(np.float32),
    )
    left = [decompose(goal, v, torch.ones(3), count).residual for count in (1, 5, 15, 60)]
    assert left == sorted(left, reverse=True)
    assert left[0] > 0.8
    assert left[-1] == pytest.approx(0, abs=1e-4)  # more neurons than dimensions


def test_a_layer_counts_by_its_size_beside_its_output() -> None:
    v = values()
    same = offset(v, {(0, 3): 1.0, (1, 3): 1.0})
    for quiet in (0, 1):
        sizes = torch.ones(3)
        sizes[quiet] = 0.01  # the same offset is a hundred times larger beside a quiet output
        assert decompose(same, v, sizes, 1).neurons.layer.tolist() == [quiet]


def test_all_neurons_together_are_the_offset_with_no_more_than_it_takes() -> None:
    v = values()
    parts = {(0, 3): 2.0, (2, 8): 4.0}
    goal = offset(v, parts)
    found = express(goal, v)
    add = torch.from_numpy(found.add).view(3, NEURONS)
    for layer, wanted in ((0, goal.value[0]), (1, np.zeros(HIDDEN)), (2, goal.value[1])):
        np.testing.assert_allclose(v[layer] @ add[layer], wanted, atol=1e-4)
    moved = [float((add[n] * v[n].norm(dim=0)).norm()) for n in (0, 2)]
    alone = [b * float(v[layer][:, i].norm()) for (layer, i), b in parts.items()]
    assert moved[0] < alone[0]
    assert moved[1] < alone[1]
    assert found.layer.tolist() == sorted(found.layer.tolist())
    assert not found.scale.any()


def test_a_budget_out_of_range_is_an_error() -> None:
    v = values()
    with pytest.raises(ProfileError, match="91 neurons; the model has 90"):
        decompose(offset(v, {(0, 3): 1.0}), v, torch.ones(3), 91)
