"""One decoder layer, split over the sources of its attention: from a trace to maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from profiles.errors import ModelError
from profiles.inside.mixing.affine import Affine, affine, wide
from profiles.inside.mixing.edit_here import EditHere
from profiles.inside.mixing.feed_forward import FeedForward, find_feed_forward
from profiles.inside.mixing.head_reader import HeadReader
from profiles.inside.mixing.layout import Layout, find_layout
from profiles.inside.mixing.maps import LayerMaps
from profiles.inside.mixing.norm import Norm, relative_error
from profiles.inside.mixing.trace import Trace

# How far the parts' sums may be from what the model computed, by the bytes of its numbers (many
# norms compute in float32 whatever they are given).
TOLERANCE: Mapping[int, float] = {2: 0.05, 4: 1e-3, 8: 1e-5}
# Targets at once: of a larger chunk more would be sources that lie after the target.
_TARGETS = 8


def split_layer(trace: Trace, edit: EditHere | None, memory_bytes: int) -> LayerMaps:
    """The maps of the layer in `trace`.

    Args:
        trace: of a pass over one text, whatever edits it already in place.
        edit: what an edit does in this layer; None where nothing is edited.
        memory_bytes: for the parts of a chunk of targets.

    Raises:
        ModelError: the layer is put together in no known way, or its parts do not sum to what the
            model computed.
    """
    return _Split(trace, edit).maps(memory_bytes)


def targets_at_once(tokens: int, hidden: int, neurons: int, width: int, memory_bytes: int) -> int:
    """How many targets' parts fit; 0 where not even one does.

    Args:
        width: bytes of a number.
    """
    # At the peak: input, base and output parts; gate, up, and one copy while they are made.
    one = (tokens + 1) * (4 * hidden + 3 * neurons) * width
    return min(_TARGETS, memory_bytes // one)


class _Split:
    def __init__(self, trace: Trace, edit: EditHere | None) -> None:
        self.trace, self.edit = trace, edit
        self.layout: Layout = find_layout(trace)
        where = f"layer {trace.layer}"
        down = next(call for call in trace.calls if call.module is trace.ffn.down)
        edited = edit.neuron if edit else None
        self.ffn: FeedForward = find_feed_forward(trace, down.input, edited)
        self.down: Affine = affine(trace.ffn.down, f"{where}, {trace.ffn.path}")
        self.down_output = wide(down.output)
        self.mix = affine(self.layout.projection, f"{where}, attention's output projection")
        self.alpha, self.input = wide(trace.alpha), wide(trace.input)
        self.values_hTH = self._head_outputs()
        self.read = HeadReader(self.layout, self.values_hTH, self.alpha)

    def maps(self, memory_bytes: int) -> LayerMaps:
        tokens = len(self.input)
        scopes = self.layout.scopes
        norms = np.zeros((len(scopes), tokens, tokens))
        context, edit = np.zeros((2, len(scopes), tokens))
        off: dict[str, float] = {}
        size = self.input.element_size()
        width, neurons = self.input.shape[1], self.trace.ffn.intermediate_size
        step = max(1, targets_at_once(tokens, width, neurons, size, memory_bytes))
        for begin in range(0, tokens, step):
            at = slice(begin, min(begin + step, tokens))
            own_tS = self._own(at)
            for scope, (name, parts_tSH) in enumerate(self._stages(at, own_tS)):
                assert name == scopes[scope]
                self._check(name, parts_tSH, at, off)
                sizes = parts_tSH.norm(dim=-1).double().cpu().numpy()
                norms[scope, at, : at.stop] = sizes[:, : at.stop]
                if self.edit:
                    edit[scope, at] = sizes[:, -1]
                others = ((1 - own_tS)[..., None] * parts_tSH)[:, : at.stop].sum(1)
                context[scope, at] = others.norm(dim=-1).double().cpu().numpy()
        self._refuse(off)
        return LayerMaps(
            layer=self.trace.layer,
            scopes=scopes,
            norms=norms,
            context=context,
            edit=edit,
            completeness=off,
        )

    def _stages(self, at: slice, own_tS: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Parts [t, sources, hidden_size] of the targets `at` at every scope."""
        layout = self.layout
        attended = torch.einsum(
            "hts,hsd->tsd", self.alpha[:, at, : at.stop], self.values_hTH[:, : at.stop]
        )
        if self.edit:
            nothing = attended.new_zeros(len(attended), 1, attended.shape[-1])
            attended = torch.cat([attended, nothing], 1)
        if self.mix.bias is not None:
            attended += own_tS[..., None] * self.mix.bias
        attended = _normed(layout.attention_out, attended, at, own_tS)
        attended = attended + own_tS[..., None] * self.input[at, None]
        base = _normed(layout.stream, attended, at, own_tS)
        yield "attention", base
        parts = _normed(layout.ffn_in, base, at, own_tS)
        if layout.ffn_in:
            yield "pre_norm", parts
        parts = self._feed_forward(parts, at, own_tS)
        yield "ff", parts
        parts = _normed(layout.ffn_out, parts, at, own_tS)
        if layout.ffn_out:
            yield "post_norm", parts
        parts = parts + base
        yield "residual", parts
        if layout.last:
            yield "last_norm", _normed(layout.last, parts, at, own_tS)

    def _feed_forward(self, parts_tSH: Tensor, at: slice, own_tS: Tensor) -> Tensor:
        g_tSI = self.read(self.ffn.gate, parts_tSH, at)
        u_tSI = self.read(self.ffn.up, parts_tSH, at) if self.ffn.up else None
        y_tSI = self.ffn.split(g_tSI, u_tSI, own_tS)
        del g_tSI, u_tSI
        if self.edit:
            self.edit.on_neurons(y_tSI)
        h_tSH = self.down.linear(y_tSI)
        del y_tSI
        if self.down.bias is not None:
            h_tSH += own_tS[..., None] * self.down.bias
        if self.edit:
            self.edit.on_output(h_tSH, parts_tSH)
        return h_tSH

    def _own(self, at: slice) -> Tensor:
        """[t, sources]: one where the source is the target's own token. The edit is the last."""
        sources = at.stop + (1 if self.edit else 0)
        rows = torch.arange(at.start, at.stop, device=self.input.device)[:, None]
        columns = torch.arange(sources, device=self.input.device)[None]
        own: Tensor = (rows == columns).to(self.input.dtype)
        return own

    def _head_outputs(self) -> Tensor:
        """[heads, T, hidden_size]: what each head would write of each token, f^h(x_j) unbiased."""
        heads = len(self.alpha)
        value = wide(self.trace.value)
        value = value.repeat_interleave(heads // len(value), 0)  # grouped queries share them
        size = value.shape[-1]
        if self.mix.weight.shape[1] != heads * size:
            raise ModelError(
                f"layer {self.trace.layer}: {heads} heads of {size} do not make the "
                f"{self.mix.weight.shape[1]} inputs of attention's output projection"
            )
        return torch.stack(
            [
                value[head] @ self.mix.weight[:, head * size : (head + 1) * size].T
                for head in range(heads)
            ]
        )

    def _check(self, name: str, parts_tSH: Tensor, at: slice, off: dict[str, float]) -> None:
        real = {
            "attention": self.layout.attended,
            "ff": self.down_output,
            self.layout.scopes[-1]: self.trace.output,
        }.get(name)
        if real is not None:
            error = relative_error(parts_tSH.sum(1), real[at])
            off[name] = max(off.get(name, 0.0), error)

    def _refuse(self, off: Mapping[str, float]) -> None:
        limit = TOLERANCE[self.trace.input.element_size()]
        for name, error in off.items():
            if not error <= limit:
                raise ModelError(
                    f"layer {self.trace.layer}: the parts of scope {name} do not sum to what the "
                    f"model computed, off by {error:.2g} of its length (at most {limit:g}). The "
                    "architecture computes something that contextualize does not know"
                )


def _normed(norm: Norm | None, parts_tSH: Tensor, at: slice, own_tS: Tensor) -> Tensor:
    if norm is None:
        return parts_tSH
    return norm.linear(parts_tSH, at) + own_tS[..., None] * norm.bias
