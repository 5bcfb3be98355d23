"""The mean of an activation along a straight path: what integrated gradients need of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from profiles.errors import ModelError

Activation = Callable[[Tensor], Tensor]
# Beyond this an activation is as good as its asymptote, so that a second interval begins here: one
# set of nodes over both would not see the bend at zero of a path that leads far out.
_BEND = 32.0
_NODES = (48, 64)
_TOLERANCE = 1e-7


def path_mean(act: Activation, g: Tensor) -> Tensor:
    """B(g) = ∫₀¹ act(αg) dα, by Gauss-Legendre quadrature in float64.

    Closed forms exist for few activations (ReLU, GELU; SiLU by the dilogarithm), none for GELU's
    tanh form; quadrature serves all that are smooth but for a bend at zero. It is worked out
    with two numbers of nodes, and how far they differ is the check.

    Args:
        act: elementwise; bends at zero only.
        g: pre-activations, any shape.

    Returns:
        Of g's shape, in float64. Where g = 0 it is act(0).

    Raises:
        ModelError: the two differ by more than 1e-7 of the value, as for a function with steps.
    """
    g = g.double()
    coarse, fine = (_integral(act, g, nodes) for nodes in _NODES)
    off = float(((fine - coarse).abs() / (fine.abs() + 1)).max()) if g.numel() else 0.0
    if not off <= _TOLERANCE:
        raise ModelError(
            f"the FFN's activation cannot be integrated: {_NODES[0]} and {_NODES[1]} nodes "
            f"differ by {off:.1e}, at most {_TOLERANCE:.0e} is allowed. Only activations that are "
            "smooth but for a bend at zero are supported (SiLU, GELU and its variants, ReLU)"
        )
    return fine


def slope_at_zero(act: Activation, like: Tensor) -> Tensor:
    """act'(0), from both sides: ½ for ReLU. A scalar on the device of `like`."""
    step = torch.tensor(1e-6, dtype=torch.float64, device=like.device)
    return (act(step) - act(-step)) / (2 * step)


def _integral(act: Activation, g: Tensor, nodes: int) -> Tensor:
    bend = torch.clamp(_BEND / g.abs().clamp_min(_BEND), max=1.0)  # 1 where |g| is small
    total = torch.zeros_like(g)
    for node, weight in _rule(nodes):
        total += weight * bend * act(node * bend * g)
    if bool((bend < 1).any()):
        for node, weight in _rule(nodes):
            total += weight * (1 - bend) * act((bend + node * (1 - bend)) * g)
    return total


@lru_cache(maxsize=4)
def _rule(nodes: int) -> tuple[tuple[float, float], ...]:
    """Nodes and weights on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    return tuple(zip(((x + 1) / 2).tolist(), (w / 2).tolist(), strict=True))
