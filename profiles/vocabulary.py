"""The loss of a text under a model with a large vocabulary, without paying for all of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class TargetLoss:
    """Weighted mean cross-entropy of chosen tokens, in nats a token.

    The LM head is computed at the tokens that count only, and over part of the vocabulary: the
    entries given, and a fresh uniform sample of the rest whose logits are raised by
    log(rest / sampled), so that the sum they stand for is unbiased (importance-sampled softmax,
    Bengio & Senécal 2008). Models that do more to their logits than the head's product are found
    out by a probe and computed in full.
    """

    def __init__(self, model: nn.Module, known: Sequence[int], negatives: int, seed: int) -> None:
        self._model: Any = model
        self._head: Any = self._model.get_output_embeddings()
        weight_VH = self._head.weight
        self._size = int(weight_VH.shape[0])
        self._random = torch.Generator().manual_seed(seed)
        self._known = torch.tensor(known)
        self._rest = self._complement()
        self._negatives = min(negatives, len(self._rest))
        self._place = torch.full((self._size,), -1, dtype=torch.long)
        self._place[self._known] = torch.arange(len(known))
        sampled = 0 < negatives < len(self._rest)
        self._known_VH = weight_VH[self._known].detach() if sampled else weight_VH
        self._sampled = sampled and self._plain_head()

    def __call__(self, ids_BT: Tensor, weight_BT: Tensor, seed: int | None = None) -> Tensor:
        """The loss of predicting ids[:, 1:], weighted by weight[:, 1:]; `seed` fixes the sample."""
        rows = weight_BT[:, 1:] > 0
        targets_N, weights_N = ids_BT[:, 1:][rows], weight_BT[:, 1:][rows]
        self._include(targets_N)
        if not self._sampled:
            logits = self._model(input_ids=ids_BT, use_cache=False).logits[:, :-1][rows]
            losses = functional.cross_entropy(logits.float(), targets_N, reduction="none")
        else:
            hidden = self._hidden(ids_BT)[:, :-1][rows]
            losses = self._sampled_losses(hidden, targets_N, seed)
        return (losses * weights_N).sum() / weights_N.sum()

    def _include(self, targets_N: Tensor) -> None:
        """Add targets that are no known entries yet, e.g. the pieces of a word that was cut."""
        new = targets_N[self._place[targets_N] < 0].unique()
        if len(new):
            self._place[new] = torch.arange(len(new)) + len(self._known)
            self._known = torch.cat([self._known, new])
            self._rest = self._complement()
            if self._sampled:
                self._known_VH = torch.cat([self._known_VH, self._head.weight[new].detach()])

    def _complement(self) -> Tensor:
        mask = torch.ones(self._size, dtype=torch.bool)
        mask[self._known] = False
        return mask.nonzero()[:, 0]

    def _sampled_losses(self, hidden_NH: Tensor, targets_N: Tensor, seed: int | None) -> Tensor:
        random = self._random if seed is None else torch.Generator().manual_seed(seed)
        pick = torch.randint(len(self._rest), (self._negatives,), generator=random)
        sample_VH = self._head.weight[self._rest[pick]].detach()
        raised = math.log(len(self._rest) / self._negatives)
        known_NV = self._logits(hidden_NH, self._known, self._known_VH)
        rest_NV = self._logits(hidden_NH, self._rest[pick], sample_VH) + raised
        total_N = torch.logaddexp(known_NV.logsumexp(-1), rest_NV.logsumexp(-1))
        return total_N - known_NV.gather(1, self._place[targets_N][:, None])[:, 0]

    def _logits(self, hidden_NH: Tensor, ids_V: Tensor, weight_VH: Tensor) -> Tensor:
        bias = None if self._head.bias is None else self._head.bias[ids_V]
        return functional.linear(hidden_NH, weight_VH, bias).float()

    def _hidden(self, ids_BT: Tensor) -> Tensor:
        return self._model.base_model(input_ids=ids_BT, use_cache=False).last_hidden_state

    @torch.no_grad()
    def _plain_head(self) -> bool:
        """Whether head(hidden state) is what the model itself returns as logits."""
        ids = self._known[-1:][None]
        theirs = self._model(input_ids=ids, use_cache=False).logits[0, :, self._known].float()
        ours = self._logits(self._hidden(ids)[0], self._known, self._known_VH)
        return torch.allclose(ours, theirs, rtol=0.05, atol=0.1)
