"""A feed-forward network's neurons, split over the sources of its input by integrated gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from profiles.errors import ModelError
from profiles.inside.mixing.affine import Affine, affine
from profiles.inside.mixing.norm import relative_error
from profiles.inside.mixing.path_mean import Activation, path_mean, slope_at_zero
from profiles.inside.mixing.trace import Call, Trace

_MATCH = 0.05
# Below this a pre-activation counts as zero, and a quotient by it as its limit.
_ZERO = 1e-30


@dataclass(frozen=True, kw_only=True, eq=False)
class FeedForward:
    """The part of an FFN before its down projection, found from one pass.

    Attributes:
        gate: makes what the activation reads.
        up: makes what the activated gate is multiplied by; None where there is no gate, and the
            activation alone is the neuron.
        act: the activation, elementwise.
        name: the activation's class.
    """

    gate: Affine
    up: Affine | None
    act: Activation
    name: str

    def split(self, g_tSI: Tensor, u_tSI: Tensor | None, own_tS: Tensor) -> Tensor:
        """Neurons by source, [t, sources, neurons]; they sum to the neurons of the sum.

        Integrated gradients from a baseline of zero (Kobayashi et al. 2024, section 3; Sundararajan
        et al. 2017). One activation g(z): source j gets (z_j/z) · (g(z) − g(0)). A gated one,
        act(g)·u, with B = ∫₀¹ act(αg) dα: source j gets (g_j/g)·u·(act(g) − B) + u_j·B. The source
        of a target's own token gets biases, and g(0) where that is not zero.

        Args:
            g_tSI: what the gate makes of each source's part of the input; is overwritten.
            u_tSI: what the up projection makes of it; None without one.
            own_tS: one where the source is the target's own token, zero elsewhere.
        """
        _add_bias(self.gate, g_tSI, own_tS)
        g = g_tSI.sum(1).double()
        if self.up is None or u_tSI is None:
            rest = self.act(torch.zeros((), dtype=torch.float64, device=g.device))
            g_tSI *= self._quotient(g, self.act(g) - rest, 1.0).to(g_tSI.dtype)[:, None]
            return g_tSI + rest.to(g_tSI.dtype) * own_tS[..., None]
        _add_bias(self.up, u_tSI, own_tS)
        mean = path_mean(self.act, g)
        u = u_tSI.sum(1).double()
        g_tSI *= (u * self._quotient(g, self.act(g) - mean, 0.5)).to(g_tSI.dtype)[:, None]
        return g_tSI.addcmul_(u_tSI, mean.to(g_tSI.dtype)[:, None])

    def _quotient(self, g: Tensor, by: Tensor, share: float) -> Tensor:
        """by / g; where g is zero its limit, a share of the activation's slope there."""
        zero = g.abs() < _ZERO
        limit = share * slope_at_zero(self.act, g)
        return torch.where(zero, limit, by / torch.where(zero, torch.ones_like(g), g))


def _add_bias(affine: Affine, parts_tSI: Tensor, own_tS: Tensor) -> None:
    if affine.bias is not None:
        parts_tSI += own_tS[..., None] * affine.bias


def find_feed_forward(trace: Trace, y_TI: Tensor, edited_n: Tensor | None = None) -> FeedForward:
    """How the layer makes its neurons.

    Args:
        trace: the layer's calls.
        y_TI: what the down projection reads.
        edited_n: int64, its columns that an edit has changed, which are not compared.

    Raises:
        ModelError: no known way gives those neurons.
    """
    wide = trace.ffn.intermediate_size
    where = f"layer {trace.layer}"
    kept = torch.ones(wide, dtype=torch.bool, device=y_TI.device)
    kept[edited_n if edited_n is not None else []] = False
    calls = [call for call in trace.calls if not call.path.startswith(f"{trace.attention}.")]
    linears = [c for c in calls if _is_linear(c) and c.output.shape[-1] in (wide, 2 * wide)]
    acts = [c for c in calls if not _is_linear(c) and c.output.shape[-1] == wide == _width(c)]
    halves = [(call, half) for call in linears for half in range(call.output.shape[-1] // wide)]
    for act in acts:
        for gate, n in halves:
            if relative_error(_half(gate, n, wide), act.input) > _MATCH:
                continue
            ups = [(call, m) for call, m in halves if (call, m) != (gate, n)]
            for up, m in [(None, 0), *ups]:
                made = act.output if up is None else act.output * _half(up, m, wide)
                if relative_error(made[:, kept], y_TI[:, kept]) <= _MATCH:
                    rows = affine(up.module, f"{where}, {up.path}") if up else None
                    return FeedForward(
                        gate=affine(gate.module, f"{where}, {gate.path}").rows(
                            n * wide, (n + 1) * wide
                        ),
                        up=rows and rows.rows(m * wide, (m + 1) * wide),
                        act=act.module.forward,
                        name=type(act.module).__name__,
                    )
    seen = ", ".join(f"{call.path} ({type(call.module).__name__})" for call in (*linears, *acts))
    raise ModelError(
        f"{where}: what {trace.ffn.path} reads is neither act(z) nor act(g)·u of linear modules; "
        f"seen: {seen or 'no linear module or activation of its width'}"
    )


def _is_linear(call: Call) -> bool:
    return hasattr(call.module, "in_features") or type(call.module).__name__ == "Conv1D"


def _width(call: Call) -> int:
    return int(call.input.shape[-1])


def _half(call: Call, n: int, wide: int) -> Tensor:
    return call.output[:, n * wide : (n + 1) * wide]
