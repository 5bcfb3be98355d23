"""The split of a feed-forward network: by hand, and by summing gradients along the path."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from profiles.inside.mixing.affine import Affine
from profiles.inside.mixing.feed_forward import FeedForward

_EYE = Affine(weight=torch.eye(1, dtype=torch.float64), bias=None)


def _wide(*values: float) -> Tensor:
    """One target, as many sources, one number each."""
    return torch.tensor(values, dtype=torch.float64).reshape(1, -1, 1)


def _own(sources: int) -> Tensor:
    own = torch.zeros(1, sources, dtype=torch.float64)
    own[0, -1] = 1
    return own


def split(ffn: FeedForward, parts: Tensor, own: Tensor) -> Tensor:
    up = ffn.up.linear(parts) if ffn.up else None
    return ffn.split(ffn.gate.linear(parts), up, own)


def test_an_elementwise_activation_shares_by_the_pre_activation() -> None:
    ffn = FeedForward(gate=_EYE, up=None, act=torch.relu, name="ReLU")
    parts = _wide(3, -1, 2)
    assert split(ffn, parts, _own(3)).flatten().tolist() == [3, -1, 2]
    assert split(ffn, -parts, _own(3)).flatten().tolist() == [0, 0, 0]


def test_what_an_activation_makes_of_nothing_is_the_own_token_s() -> None:
    ffn = FeedForward(gate=_EYE, up=None, act=torch.sigmoid, name="Sigmoid")
    found = split(ffn, _wide(1, 1), _own(2)).flatten()
    gain = torch.sigmoid(torch.tensor(2.0, dtype=torch.float64)) - 0.5
    torch.testing.assert_close(found, torch.stack([gain / 2, gain / 2 + 0.5]))


def test_a_relu_gate_by_hand() -> None:
    # g = 2, u = 6, B = 1: the first source gets 1/2 · 6 · (2 − 1) + 1·1 = 4, the second 3 + 5 = 8.
    up = Affine(weight=torch.tensor([[1.0, 0.0]], dtype=torch.float64), bias=None)
    gate = Affine(weight=torch.tensor([[0.0, 1.0]], dtype=torch.float64), bias=None)
    ffn = FeedForward(gate=gate, up=up, act=torch.relu, name="ReLU")
    parts = torch.tensor([[[1.0, 1.0], [5.0, 1.0]]], dtype=torch.float64)
    assert split(ffn, parts, _own(2)).flatten().tolist() == pytest.approx([4, 8], rel=1e-12)


def test_biases_are_the_own_token_s() -> None:
    biased = Affine(weight=_EYE.weight, bias=torch.tensor([4.0], dtype=torch.float64))
    ffn = FeedForward(gate=biased, up=None, act=torch.relu, name="ReLU")
    assert split(ffn, _wide(1, 2), _own(2)).flatten().tolist() == [1, 6]


@pytest.mark.parametrize("act", [torch.relu, functional.silu, functional.gelu])
def test_where_the_gate_is_zero_its_limit_stands(act: object) -> None:
    ffn = FeedForward(gate=_EYE, up=_EYE, act=act, name="")  # type: ignore[arg-type]
    zero = split(ffn, _wide(1, -1), _own(2)).flatten()
    near = split(ffn, _wide(1 + 1e-9, -1), _own(2)).flatten()
    assert torch.isfinite(zero).all()
    assert float(zero.sum()) == 0
    # u is zero with g here, so nothing is left of either.
    torch.testing.assert_close(zero, near, rtol=0, atol=1e-8)
    two = Affine(weight=torch.tensor([[0.0, 1.0]], dtype=torch.float64), bias=None)
    one = Affine(weight=torch.tensor([[1.0, 0.0]], dtype=torch.float64), bias=None)
    ffn = FeedForward(gate=one, up=two, act=act, name="")  # type: ignore[arg-type]
    parts = torch.tensor([[[1.0, 3.0], [-1.0, 4.0]]], dtype=torch.float64)
    # act'(0) = ½ of all three: the gate's part is ± 7 · ½ · ½, and B is zero.
    torch.testing.assert_close(
        split(ffn, parts, _own(2)).flatten(), _wide(1.75, -1.75).flatten(), rtol=0, atol=1e-8
    )


def test_integrated_gradients_of_a_whole_network_through_its_weights() -> None:
    """Not by formula: Jacobian-vector products of down(act(gate x) · up x) along the path."""
    torch.manual_seed(1)
    gate, up, down = (torch.randn(*shape).double() for shape in ((6, 4), (6, 4), (4, 6)))
    parts = 2 * torch.randn(1, 3, 4).double()

    def network(x: Tensor) -> Tensor:
        return down @ (functional.silu(gate @ x) * (up @ x))

    steps = 2000
    whole = parts[0].sum(0)
    found = []
    for part in parts[0]:
        total = torch.zeros(4).double()
        for step in range(steps):
            at = (step + 0.5) / steps * whole
            total += torch.autograd.functional.jvp(network, at, part)[1] / steps
        found.append(total)
    affine = [Affine(weight=weight, bias=None) for weight in (gate, up)]
    ffn = FeedForward(gate=affine[0], up=affine[1], act=functional.silu, name="SiLU")
    made = split(ffn, parts, _own(3))[0] @ down.T
    torch.testing.assert_close(made, torch.stack(found), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(made.sum(0), network(whole), rtol=1e-12, atol=1e-12)
