"""L1 and hard concrete: what gives up neurons, step by step."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import LlamaForCausalLM

from profiles.learning.hard_concrete import HardConcreteNeurons
from profiles.learning.l1 import L1Neurons
from profiles.learning.options import Options
from profiles.models.architecture import find_ffns
from tests.profiles.learning.conftest import LAYERS, NEURONS


@pytest.fixture
def l1(model: LlamaForCausalLM) -> L1Neurons:
    return L1Neurons(find_ffns(model))


@pytest.fixture
def gated(model: LlamaForCausalLM) -> HardConcreteNeurons:
    return HardConcreteNeurons(find_ffns(model))


def test_l1_shrinks_all_by_the_same_and_keeps_to_the_count(l1: L1Neurons) -> None:
    with torch.no_grad():
        l1.units_LI[0, :5] = torch.tensor([0.9, -0.7, 0.05, -0.04, 0.5])
    assert l1.active() == 5
    l1.approach(50, [0.2])
    torch.testing.assert_close(l1.units_LI[0, :5].detach(), torch.tensor([0.8, -0.6, 0, 0, 0.4]))
    assert (l1.active(), l1.count()) == (3, LAYERS * NEURONS)
    l1.approach(2, [0.0])
    torch.testing.assert_close(l1.units_LI[0, :5].detach(), torch.tensor([0.8, -0.6, 0, 0, 0]))
    # One at zero may come back until the budget is kept, then no more.
    with torch.no_grad():
        l1.units_LI[0, 4] = 1.0
    assert l1.active() == 3
    l1.keep(2)
    assert l1.mask_LI is not None
    assert l1.mask_LI.nonzero().tolist() == [[0, 0], [0, 4]]
    assert l1.count() == l1.active() == 2


def test_gates_are_open_as_often_as_their_formula_says(gated: HardConcreteNeurons) -> None:
    with torch.no_grad():
        gated.open_LI.fill_(0.5)
    shut = draws = 0
    for draw in range(200):
        gated.begin(torch.zeros(1, dtype=torch.long), draw)
        z = torch.stack([gated.gate(layer) for layer in range(LAYERS)]).detach()
        assert 0 <= float(z.min()) <= float(z.max()) <= 1
        shut, draws = shut + int((z == 0).sum()), draws + z.numel()
    expected = float(gated.expected().detach()) / (LAYERS * NEURONS)
    assert 1 - shut / draws == pytest.approx(expected, abs=0.02)


def test_noise_is_drawn_for_training_steps_only(gated: HardConcreteNeurons) -> None:
    def gate(draw: int | None) -> torch.Tensor:
        gated.begin(torch.zeros(1, dtype=torch.long), draw)
        return gated.gate(0).detach()

    torch.testing.assert_close(gate(1), gate(1))
    assert not torch.equal(gate(1), gate(2))
    quiet = min(1.0, 1.2 / (1 + math.exp(-2.0)) - 0.1)
    torch.testing.assert_close(gate(None), torch.full((NEURONS,), quiet))


def test_the_penalty_alone_shuts_gates_down_to_the_budget(gated: HardConcreteNeurons) -> None:
    steps, budget, whole = 50, 2, LAYERS * NEURONS
    assert gated.penalty() == 0
    optimizer = torch.optim.Adam(gated.parameters(), betas=(0.9, 0.95))
    for step in range(round(0.2 * steps), round(0.7 * steps)):
        share = (step / steps - 0.2) / 0.5
        rate = gated.rates(Options(), 1 / steps)[-1] * (1 - step / steps)
        gated.approach(max(budget + 1, round(whole * (budget / whole) ** share)), [])
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        penalty = gated.penalty()
        assert penalty is not None
        penalty.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert budget / 2 < float(gated.expected().detach()) < 3 * budget


def test_in_the_end_the_likeliest_stay_open_at_what_they_are(gated: HardConcreteNeurons) -> None:
    with torch.no_grad():
        gated.units_LI.fill_(1.0)
        gated.open_LI[1, 3], gated.open_LI[0, 7] = 3.0, 2.5
    before = gated.edit([p.detach().clone() for p in gated.parameters()])
    gated.keep(2)
    assert gated.penalty() is None
    assert gated.rates(Options(), 0.02)[-1] == 0
    gated.begin(torch.zeros(1, dtype=torch.long), 1)
    torch.testing.assert_close(gated.gate(0), gated.mask_LI[0].float())
    after = gated.edit([p.detach().clone() for p in gated.parameters()])
    assert before.neurons
    assert after.neurons
    assert list(zip(after.neurons.layer, after.neurons.neuron, strict=True)) == [(0, 7), (1, 3)]
    same = {(0, 7): before.neurons.add[7], (1, 3): before.neurons.add[NEURONS + 3]}
    assert after.neurons.add.tolist() == pytest.approx([*same.values()])
