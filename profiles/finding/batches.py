"""A corpus as token batches, the same ones whoever runs them and however many run them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiles.corpora.corpus import Corpus
from profiles.errors import CorpusError

MAX_TOKENS = 256  # longer sentences are dropped, as Kojima et al. do
BATCH_TOKENS = 1536
_WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384)  # divisors of 1536


@dataclass(frozen=True)
class Sentence:
    """One sentence's tokens.

    Attributes:
        index: its row in `Activations.means`.
        label: index of its language.
        ids: token ids, special ones included.
        real: which of them are not special; at least one, at most MAX_TOKENS.
    """

    index: int
    label: int
    ids: Sequence[int]
    real: Sequence[bool]


@dataclass(frozen=True)
class Batch:
    """Sentences that go through the model together.

    Attributes:
        sentences: at most `rows` of them, none longer than `width` tokens.
        width, rows: shape they are padded to, so that batches differ little in time.
    """

    sentences: tuple[Sentence, ...]
    width: int
    rows: int

    @property
    def counts(self) -> list[int]:
        """Real tokens of each sentence."""
        return [sum(sentence.real) for sentence in self.sentences]

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """(input ids, attention mask, float32 1 at real tokens), each [rows, width].

        Padded on the right and with whole rows.
        """
        ids = torch.zeros(self.rows, self.width, dtype=torch.long)
        mask = torch.zeros(self.rows, self.width, dtype=torch.long)
        mask[:, 0] = 1  # a row that attends to nothing at all may become NaN
        real = torch.zeros(self.rows, self.width)
        for row, sentence in enumerate(self.sentences):
            length = len(sentence.ids)
            ids[row, :length] = torch.tensor(sentence.ids)
            mask[row, :length] = 1
            real[row, :length] = torch.tensor(sentence.real).float()
        return ids, mask, real


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A tokenized corpus, cut into batches.

    Attributes:
        languages: BCP 47 tags; the index into them is a language's label.
        batches: in the order their sums are added up in.
        labels: int32 [sentences].
        dropped: int64 [languages], sentences over MAX_TOKENS.
        tokens: int64 [languages], real tokens.
    """

    languages: tuple[str, ...]
    batches: Sequence[Batch]
    labels: NDArray[np.int32]
    dropped: NDArray[np.int64]
    tokens: NDArray[np.int64]


def plan(tokenizer: Any, corpus: Corpus, batch_tokens: int = BATCH_TOKENS) -> Plan:
    """Tokenize `corpus` and cut it into batches of sentences of similar length, longest first.

    Args:
        tokenizer: of the model; adds the special tokens the model expects.
        corpus: the text.
        batch_tokens: tokens a batch, padding included; a multiple of 1536.

    Raises:
        CorpusError: a language has no sentence of at most MAX_TOKENS tokens.
    """
    sentences: list[Sentence] = []
    dropped = np.zeros(len(corpus.texts), np.int64)
    tokens = np.zeros(len(corpus.texts), np.int64)
    for label, (language, texts) in enumerate(corpus.texts.items()):
        encoded = tokenizer(list(texts), return_special_tokens_mask=True, verbose=False)
        before = len(sentences)
        for ids, special in zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True):
            real = tuple(not s for s in special)
            if sum(real) > MAX_TOKENS:
                dropped[label] += 1
            elif any(real):
                tokens[label] += sum(real)
                sentences.append(Sentence(len(sentences), label, tuple(ids), real))
        if len(sentences) == before:
            raise CorpusError(f"{language} has no sentence of at most {MAX_TOKENS} tokens")
    return Plan(
        languages=tuple(corpus.texts),
        batches=tuple(cut(sentences, batch_tokens)),
        labels=np.array([s.label for s in sentences], np.int32),
        dropped=dropped,
        tokens=tokens,
    )


def cut(sentences: Sequence[Sentence], budget: int = BATCH_TOKENS) -> Iterator[Batch]:
    """Sentences as batches: in buckets of similar length, whose widths divide the budget."""
    left = sorted(sentences, key=lambda s: -len(s.ids))
    while left:
        width = next(w for w in _WIDTHS if w >= len(left[0].ids))
        narrower = max((w for w in _WIDTHS if w < width), default=0)
        rows = max(1, budget // width)
        batch = [s for s in left[:rows] if len(s.ids) > narrower]
        yield Batch(tuple(batch), width, rows)
        left = left[len(batch) :]
