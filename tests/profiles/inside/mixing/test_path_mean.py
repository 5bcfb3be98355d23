"""The mean of an activation along a path, against closed forms and 1,000 steps."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from profiles.errors import ModelError
from profiles.inside.mixing.path_mean import path_mean, slope_at_zero

G = torch.tensor(
    [-3000.0, -40, -16, -5, -1, -1e-3, -1e-9, 0, 1e-9, 1e-3, 0.5, 1, 5, 16, 40, 3000],
    dtype=torch.float64,
)


def _gelu(g: Tensor) -> Tensor:
    """((g² − 1) Φ(g) + g φ(g) + ½) / 2g, by integration by parts."""
    density = torch.exp(-g * g / 2) / math.sqrt(2 * math.pi)
    below = 0.5 * (1 + torch.special.erf(g / math.sqrt(2)))
    return ((g * g - 1) * below + g * density + 0.5) / (2 * g)


def _silu(g: Tensor) -> Tensor:
    """(g softplus(g) + Li₂(−eᵍ) + π²/12) / g, with the dilogarithm of scipy, for g < 0."""
    spence = pytest.importorskip("scipy.special").spence
    dilogarithm = torch.from_numpy(spence(1 + torch.exp(g).numpy()))
    return (g * functional.softplus(g) + dilogarithm + math.pi**2 / 12) / g


@pytest.mark.parametrize(
    ("act", "closed", "at"),
    [
        (torch.relu, lambda g: g.clamp_min(0) / 2, G),
        (lambda x: torch.relu(x).square(), lambda g: g.clamp_min(0).square() / 3, G),
        (functional.gelu, _gelu, G[G.abs() > 0.1]),
        (functional.silu, _silu, G[G.abs() > 0.1][:-1]),
        (torch.tanh, lambda g: torch.log(torch.cosh(g)) / g, G[(G.abs() > 0.1) & (G.abs() < 99)]),
    ],
    ids=["relu", "relu²", "gelu", "silu", "tanh"],
)
def test_closed_forms(
    act: Callable[[Tensor], Tensor], closed: Callable[[Tensor], Tensor], at: Tensor
) -> None:
    torch.testing.assert_close(path_mean(act, at), closed(at), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    "act",
    [
        functional.silu,
        functional.gelu,
        lambda x: functional.gelu(x, approximate="tanh"),
        functional.mish,
    ],
    ids=["silu", "gelu", "gelu-tanh", "mish"],
)
def test_thousands_of_steps(act: Callable[[Tensor], Tensor]) -> None:
    g = G[G.abs() <= 40]
    steps = 4000
    alpha = ((torch.arange(steps) + 0.5) / steps).double()[:, None]
    torch.testing.assert_close(path_mean(act, g), act(alpha * g).mean(0), rtol=1e-5, atol=1e-5)


def test_at_zero() -> None:
    zero = torch.zeros(2, dtype=torch.float32)
    assert path_mean(torch.sigmoid, zero).tolist() == pytest.approx([0.5, 0.5])
    assert path_mean(torch.relu, torch.zeros(0)).shape == (0,)
    assert float(slope_at_zero(torch.relu, zero)) == pytest.approx(0.5)
    assert float(slope_at_zero(torch.tanh, zero)) == pytest.approx(1)


def test_an_activation_with_steps_is_refused() -> None:
    with pytest.raises(ModelError, match=r"cannot be integrated: 48 and 64 nodes differ by"):
        path_mean(torch.floor, torch.tensor([7.3]))
