"""From a model's hidden states, and from parts of them, to its vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from profiles.inside.memories.norm import Norm
from profiles.inside.memories.wide_topk import wide_topk

_RESCORED = 8  # candidates a wanted token, see `Head.top`


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """The final norm and the unembedding, tied to the embedding or not.

    Attributes:
        norm: the final one.
        weight: [vocabulary, hidden_size], in the model's type.
        bias: float32 [vocabulary] or None.
        scale: factor on the logits (Cohere; Granite divides).
        cap: soft cap, logit -> cap * tanh(logit / cap) (Gemma 2), or None.
        posts: by layer, the norm between the FFN's output and the residual stream (Gemma 2 and 3,
            OLMo 2), or None.
        residual_scale: factor on what the FFN adds to the stream (Granite).
    """

    norm: Norm
    weight: Tensor
    bias: Tensor | None
    scale: float
    cap: float | None
    posts: tuple[Norm | None, ...]
    residual_scale: float

    @property
    def size(self) -> int:
        """Tokens of the vocabulary."""
        return int(self.weight.shape[0])

    def read(self, residual_NH: Tensor) -> Tensor:
        """Logits float32 [n, vocabulary] of residual states, as if no layer followed."""
        logits = self._product(self.norm(residual_NH))
        return self._capped(logits if self.bias is None else logits.add_(self.bias))

    def directions(self, added_NH: Tensor) -> Tensor:
        """What parts of a residual stream are to the unembedding, float32 [n, hidden_size].

        The final norm of each part alone, without the norm's bias. An FFN's output is such a part
        once `contribution` has been applied.
        """
        centred = self.norm.centre(added_NH)
        # No epsilon: a value is as small as its layer likes. One of zeros promotes nothing.
        rms = centred.square().mean(-1, keepdim=True).sqrt()
        return self.norm.part(added_NH) / rms.clamp_min(1e-20)

    def contribution(self, layer: int, output_NH: Tensor) -> Tensor:
        """What of an FFN's output, or of a neuron's value, reaches the stream, but for its size."""
        post = self.posts[layer]
        return output_NH.float() if post is None else post.part(output_NH)

    def promoted(self, directions_NH: Tensor) -> Tensor:
        """Logits float32 [n, vocabulary] of `directions`; those of -x are the negative of x's.

        Without the head's bias, which is no part's; with scale and cap, which are odd functions.
        """
        return self._capped(self._product(directions_NH))

    def top(
        self, x_NH: Tensor, logits_NV: Tensor, count: int, *, part: bool
    ) -> tuple[Tensor, Tensor]:
        """(logits float32 [n, count], tokens int64 [n, count]), highest first.

        The model's type may be one in which many logits are alike (bfloat16 keeps 8 bits): the
        best of a few times `count` by those are compared again in float32.

        Args:
            x_NH: what the logits are of: residual states, or `directions`.
            logits_NV: of `read`, or of `promoted`.
            count: how many.
            part: whether they are directions.
        """
        few = min(_RESCORED * count, self.size)
        tokens_NK = wide_topk(logits_NV, few)
        if self.weight.dtype == torch.float32:
            values_NK = logits_NV.gather(1, tokens_NK)
        else:
            x_NH = x_NH if part else self.norm(x_NH)
            rows_NKH = self.weight[tokens_NK].float()
            values_NK = torch.einsum("nh,nkh->nk", x_NH, rows_NKH) * self.scale
            if self.bias is not None and not part:
                values_NK = values_NK + self.bias[tokens_NK]
            values_NK = self._capped(values_NK)
        best, at = values_NK.topk(count, dim=1)
        return best, tokens_NK.gather(1, at)

    def _product(self, x_NH: Tensor) -> Tensor:
        weight = self.weight
        logits = (x_NH.to(weight.dtype) @ weight.T).float()
        return logits if self.scale == 1 else logits.mul_(self.scale)

    def _capped(self, logits: Tensor) -> Tensor:
        return logits if self.cap is None else self.cap * torch.tanh(logits / self.cap)
