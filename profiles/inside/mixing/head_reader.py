"""What a linear module makes of every source's part, without going through each part."""

from __future__ import annotations

import torch
from torch import Tensor

from profiles.inside.mixing.affine import Affine
from profiles.inside.mixing.layout import Layout


class HeadReader:
    """Reads the parts that enter a layer's feed-forward network.

    Of a source other than the target's own, the part is Σ_h α^h_ij times a vector of head and
    source, but for what norms do, which is linear up to a number a target. So a module need only
    be applied to those vectors, [heads, T], and not to all pairs, [T, T]: a product with as many
    terms as there are heads stands in for one with as many as hidden dimensions.

    Args:
        layout: of the layer.
        values_hTH: what each head writes of each token.
        alpha: [heads, T, T].
    """

    def __init__(self, layout: Layout, values_hTH: Tensor, alpha: Tensor) -> None:
        norms = [n for n in (layout.attention_out, layout.stream, layout.ffn_in) if n]
        self._alpha = alpha
        self._scale = torch.ones_like(alpha[0, :, 0])
        for norm in norms:
            values_hTH, self._scale = norm.turned(values_hTH), self._scale * norm.scale
        self._entering_hTH = values_hTH
        self._read: dict[Affine, Tensor] = {}

    def __call__(self, affine: Affine, parts_tSH: Tensor, at: slice) -> Tensor:
        """`affine` of the parts of the targets `at`, [t, sources, outputs], without its bias.

        Args:
            parts_tSH: the parts themselves, of which only the own tokens' are read.
        """
        if affine not in self._read:
            self._read[affine] = affine.linear(self._entering_hTH)
        read_hTI = self._read[affine]
        weights = self._alpha[:, at, : at.stop] * self._scale[at, None]
        out = parts_tSH.new_zeros(*parts_tSH.shape[:2], read_hTI.shape[-1])
        out[:, : at.stop] = torch.einsum("hts,hsi->tsi", weights, read_hTI[:, : at.stop])
        target = torch.arange(len(out), device=out.device)
        own = target + at.start
        out[target, own] = affine.linear(parts_tSH[target, own])
        return out
