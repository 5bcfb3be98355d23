"""Examples as batches of tokens, and the loss of those that count."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from profiles.learning.prefixes import Example, Kind
from profiles.models.beginning import adds_bos, first_token

# Times as much context: a turn has a template around it, and a text that goes on is to stay as it
# is far from its beginning too.
_LONGER: Mapping[Kind, int] = {"turn": 3, "same": 2}
_NEVER = -1e9  # a logit


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Examples as right-padded token ids.

    Attributes:
        ids: [rows, width], context and text.
        counts: bool [rows, width], the tokens of the text, which carry the loss.
        bare, bare_counts: the same without the context, unless it is in the text's language;
            text tokens in the same order.
        first: int64 [rows], the position each row's edit begins at: 0, or that of the context's
            last token, whose output is the first to be sampled.
        early: bool [text tokens], those so near the beginning that the text alone does not yet
            say which language it is in.
    """

    ids: Tensor
    counts: Tensor
    bare: Tensor
    bare_counts: Tensor
    first: Tensor
    early: Tensor

    @property
    def filled(self) -> Tensor:
        """bool [rows, width], all tokens but the padding."""
        # A row's text is its end: up to the last token that counts, all are real.
        filled: Tensor = self.counts.flip(1).cummax(1).values.flip(1)
        return filled


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """An example's token ids: `start` (BOS, where there is one, and the context), then `text`.

    Attributes:
        first: the position the edit begins at.
        kept: the text goes on in its own language, so that all of it is to stay as it is.
    """

    start: tuple[int, ...]
    text: tuple[int, ...]
    first: int
    kept: bool


class Encoder:
    """Examples → token ids, at most `context` tokens of context and `length` of text.

    Attributes:
        pad: the id that fills rows up.
    """

    def __init__(self, tokenizer: Any, *, context: int, length: int) -> None:
        self._tokenizer, self._context, self._length = tokenizer, context, length
        self._special = {*tokenizer.all_special_ids}
        self.first = first_token(tokenizer)
        # Where the tokenizer does not put BOS before a prompt, it is not there when serving either.
        self._always = adds_bos(tokenizer)
        self.pad = int(tokenizer.pad_token_id or 0)

    def __call__(
        self, example: Example, rng: random.Random | None = None, decode_share: float = 0.0
    ) -> Encoded:
        """`decode_share` of the examples, drawn by `rng`, are edited from the context's end on."""
        # A turn keeps its beginning: what the template opens there belongs to its end.
        most = self._context * _LONGER.get(example.kind, 1)
        before = self._ids(example.prefix)[-most:] if example.prefix else []
        first = [self.first] if self._always or not before else []
        text = self._ids(example.text)[: self._length]
        start = (*first, *before)
        late = rng is not None and rng.random() < decode_share
        begin = len(start) - 1 if late else 0
        return Encoded(start=start, text=tuple(text), first=begin, kept=example.kind == "same")

    def _ids(self, text: str) -> list[int]:
        # Context and text are tokenized apart, as a prompt and its continuation are. Special
        # tokens are left out whatever the tokenizer adds, so BOS is never doubled.
        return [int(i) for i in self._tokenizer(text, add_special_tokens=False).input_ids]

    def vocabulary(self, corpus: Mapping[str, Sequence[str]]) -> list[int]:
        """The token ids that occur in the corpus, special ones included, sorted."""
        texts = [t for lines in corpus.values() for line in lines for t in (line, " " + line)]
        encoded = self._tokenizer(texts, add_special_tokens=False).input_ids
        seen = {int(i) for ids in encoded for i in ids}
        return sorted(seen | self._special)


def batches(encoded: Sequence[Encoded], rows: int, encode: Encoder, early: int) -> list[Batch]:
    """Batches of `rows` examples of similar length, shortest first."""
    ordered = sorted(encoded, key=lambda e: len(e.start) + len(e.text))
    return [_batch(ordered[n : n + rows], encode, early) for n in range(0, len(ordered), rows)]


def _batch(rows: Sequence[Encoded], encode: Encoder, early: int) -> Batch:
    ids, counts = _pad([(e.start, e.text) for e in rows], encode.pad)
    alone = [(e.start if e.kept else (encode.first,), e.text) for e in rows]
    bare, bare_counts = _pad(alone, encode.pad)
    near = torch.tensor([n < early and not e.kept for e in rows for n in range(len(e.text))])
    return Batch(
        ids=ids,
        counts=counts,
        bare=bare,
        bare_counts=bare_counts,
        first=torch.tensor([e.first for e in rows]),
        early=near,
    )


def _pad(rows: Sequence[tuple[Sequence[int], Sequence[int]]], pad: int) -> tuple[Tensor, Tensor]:
    # On the right: causal attention then needs no mask, which is the fastest path there is.
    width = max(len(start) + len(text) for start, text in rows)
    ids = torch.full((len(rows), width), pad)
    counts = torch.zeros(len(rows), width, dtype=torch.bool)
    for n, (start, text) in enumerate(rows):
        end = len(start) + len(text)
        ids[n, :end] = torch.tensor([*start, *text])
        counts[n, len(start) : end] = True
    return ids, counts


class TextLoss:
    """Mean loss of the text tokens of a batch, in nats a token.

    Early tokens: cross-entropy with the token itself. Later ones, where an `unedited` context is
    given: cross-entropy with what the unedited model would say to the bare text. So the edit
    learns the language, not the corpus's subjects and style.

    The LM head is computed at the tokens that count only, and over part of the vocabulary: the
    entries given, and a fresh uniform sample of the rest whose logits are raised by
    log(rest / sampled), so that the sum they stand for is unbiased (importance-sampled softmax,
    Bengio & Senécal 2008). Models that do more to their logits than the head's product are found
    out by a probe and computed in full.
    """

    def __init__(
        self,
        model: Any,
        known: Sequence[int],
        negatives: int,
        seed: int,
        unedited: Callable[[], AbstractContextManager[object]] | None = None,
    ) -> None:
        self._model, self._unedited = model, unedited
        self._head: Any = self._model.get_output_embeddings()
        weight_VH = self._head.weight
        self._size, self._device = int(weight_VH.shape[0]), weight_VH.device
        self._random = torch.Generator().manual_seed(seed)
        self._known = torch.tensor(known, device=self._device)
        self._rest = self._complement()
        self._negatives = min(negatives, len(self._rest))
        self._place = torch.full((self._size,), -1, device=self._device)
        self._place[self._known] = torch.arange(len(known), device=self._device)
        sampled = 0 < negatives < len(self._rest)
        self._known_VH = weight_VH[self._known].detach() if sampled else weight_VH
        self._sampled = sampled and self._plain_head()

    def __call__(self, batch: Batch, seed: int | None = None) -> Tensor:
        """The loss of `batch`; `seed` fixes the sample of the vocabulary."""
        targets_N = batch.ids[batch.counts].to(self._device)
        extra_E, rest_R = self._extra(targets_N), self._draw(seed)
        said_NV = self._scores(batch.ids, batch.counts, extra_E, rest_R).log_softmax(-1)
        columns_N = self._columns(targets_N, extra_E)
        losses_N = -said_NV.gather(1, columns_N[:, None])[:, 0]
        if self._unedited is not None:
            with self._unedited(), torch.no_grad():
                wanted_NV = self._scores(batch.bare, batch.bare_counts, extra_E, rest_R).softmax(-1)
            soft_N = -(wanted_NV * said_NV).sum(-1)
            losses_N = torch.where(batch.early.to(self._device), losses_N, soft_N)
        return losses_N.mean()

    def _draw(self, seed: int | None) -> Tensor:
        if not self._sampled:
            return self._rest[:0]
        # Drawn on the CPU, so that every device sees the same sample.
        random = self._random if seed is None else torch.Generator().manual_seed(seed)
        pick = torch.randint(len(self._rest), (self._negatives,), generator=random)
        return self._rest[pick.to(self._device)]

    def _extra(self, targets_N: Tensor) -> Tensor:
        """Targets that are no known entries, e.g. the pieces of a word that was cut, sorted.

        Of this batch only: the loss stays a function of batch and seed, whatever came before.
        """
        extra_E: Tensor = torch.unique(targets_N[self._place[targets_N] < 0])
        return extra_E

    def _columns(self, targets_N: Tensor, extra_E: Tensor) -> Tensor:
        """Where each target's logit is among the candidates."""
        if not self._sampled:
            return targets_N
        place_N = self._place[targets_N]
        beyond_N = len(self._known) + torch.searchsorted(extra_E, targets_N)
        return torch.where(place_N < 0, beyond_N, place_N)

    def _scores(self, ids_BT: Tensor, counts_BT: Tensor, extra_E: Tensor, rest_R: Tensor) -> Tensor:
        """Logits [n, candidates], float32, that predict the tokens that count."""
        ids_BT, rows = ids_BT.to(self._device), counts_BT[:, 1:].to(self._device)
        if not self._sampled:
            out = self._model(input_ids=ids_BT, use_cache=False)
            logits_NV: Tensor = out.logits[:, :-1][rows].float()
            return logits_NV
        hidden_NH = self._hidden(ids_BT)[:, :-1][rows]
        known_NV = self._logits(hidden_NH, self._known, self._known_VH)
        extra_NE = self._logits(hidden_NH, extra_E, self._head.weight[extra_E].detach())
        rest_NR = self._logits(hidden_NH, rest_R, self._head.weight[rest_R].detach())
        raised = math.log(len(self._rest) / self._negatives)
        # A target that is also drawn would count twice. Finite: 0 times it is to stay 0.
        rest_NR = (rest_NR + raised).masked_fill(torch.isin(rest_R, extra_E), _NEVER)
        return torch.cat([known_NV, extra_NE, rest_NR], dim=-1)

    def _complement(self) -> Tensor:
        mask = torch.ones(self._size, dtype=torch.bool, device=self._device)
        mask[self._known] = False
        return mask.nonzero()[:, 0]

    def _logits(self, hidden_NH: Tensor, ids_V: Tensor, weight_VH: Tensor) -> Tensor:
        bias = None if self._head.bias is None else self._head.bias[ids_V]
        return functional.linear(hidden_NH, weight_VH, bias).float()

    def _hidden(self, ids_BT: Tensor) -> Tensor:
        out = self._model.base_model(input_ids=ids_BT, use_cache=False)
        hidden: Tensor = out.last_hidden_state
        return hidden

    @torch.no_grad()
    def _plain_head(self) -> bool:
        """Whether head(hidden state) is what the model itself returns as logits."""
        ids = self._known[-1:][None]
        theirs = self._model(input_ids=ids, use_cache=False).logits[0, :, self._known].float()
        ours = self._logits(self._hidden(ids)[0], self._known, self._known_VH)
        return torch.allclose(ours, theirs, rtol=0.05, atol=0.1)
