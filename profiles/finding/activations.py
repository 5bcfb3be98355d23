"""Model + text → response of every FFN neuron to every sentence, and running statistics."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from profiles.corpora.corpus import Corpus
from profiles.errors import CorpusError, ModelError
from profiles.models.architecture import FFN, find_ffns
from profiles.models.model import LoadedModel
from profiles.profile import Floats

MAX_TOKENS = 256  # longer sentences are dropped, as Kojima et al. do
_BATCH_TOKENS = 1536
_WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384)  # divisors of 1536
_MEMORY_LIMIT = 2 << 30
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Activations:
    """What every FFN did on a corpus. Special tokens and padding are excluded throughout.

    Attributes:
        languages: BCP 47 tags; the index into them is a language's label.
        labels: int32 [sentences].
        means: float32 [sentences, layers, neurons], mean response over a sentence's tokens;
            memory-mapped where it is large.
        token_mean, token_std: float32 [languages, layers, neurons], over all tokens.
        output_mean: float32 [languages, layers, hidden_size], mean FFN output over all tokens.
        tokens: int64 [languages].
        dropped: int64 [languages], sentences over MAX_TOKENS.
    """

    languages: tuple[str, ...]
    labels: NDArray[np.int32]
    means: Floats
    token_mean: Floats
    token_std: Floats
    output_mean: Floats
    tokens: NDArray[np.int64]
    dropped: NDArray[np.int64]


@dataclass(frozen=True)
class _Sentence:
    index: int
    label: int
    ids: Sequence[int]
    real: Sequence[bool]


def record(
    loaded: LoadedModel,
    corpus: Corpus,
    *,
    down_projection: str | None = None,
    batch_tokens: int = _BATCH_TOKENS,
    memory_limit: int = _MEMORY_LIMIT,
    progress: Progress | None = None,
) -> Activations:
    """One forward pass over `corpus`, in batches of sentences of similar length.

    Args:
        loaded: the model; its LM head is not run.
        corpus: the text.
        down_projection: see `find_ffns`.
        batch_tokens: tokens a batch, padding included; a multiple of 1536.
        memory_limit: bytes of responses above which they go to a temporary file.
        progress: called with (tokens done, tokens in all).

    Raises:
        CorpusError: a language has no sentence of at most MAX_TOKENS tokens.
        ModelError: the model's activations are not finite.
    """
    ffns = find_ffns(loaded.model, down_projection)
    languages = tuple(corpus.texts)
    sentences, dropped = _tokenize(loaded.tokenizer, corpus, languages)
    recorder = _Recorder(ffns, len(languages), len(sentences), memory_limit)
    total = sum(len(s.ids) for s in sentences)
    done = 0
    decoder: nn.Module = loaded.decoder
    with torch.inference_mode(), recorder.attached():
        for batch, width in _batches(sentences, batch_tokens):
            ids, mask = recorder.start(batch, width, max(1, batch_tokens // width), loaded.device)
            decoder(input_ids=ids, attention_mask=mask, use_cache=False)
            done += sum(len(s.ids) for s in batch)
            if progress:
                progress(done, total)
    labels = np.array([s.label for s in sentences], np.int32)
    return recorder.result(languages, labels, dropped)


def _tokenize(
    tokenizer: Any, corpus: Corpus, languages: Sequence[str]
) -> tuple[list[_Sentence], NDArray[np.int64]]:
    sentences: list[_Sentence] = []
    dropped = np.zeros(len(languages), np.int64)
    for label, language in enumerate(languages):
        encoded = tokenizer(
            list(corpus.texts[language]), return_special_tokens_mask=True, verbose=False
        )
        kept = 0
        for ids, special in zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True):
            real = [not s for s in special]
            if sum(real) > MAX_TOKENS:
                dropped[label] += 1
            elif any(real):
                kept += 1
                sentences.append(_Sentence(len(sentences), label, ids, real))
        if not kept:
            raise CorpusError(f"{language} has no sentence of at most {MAX_TOKENS} tokens")
    return sentences, dropped


def _batches(sentences: Sequence[_Sentence], budget: int) -> Iterator[tuple[list[_Sentence], int]]:
    """(sentences, width), longest first, in buckets of similar length.

    Widths divide the budget, so that batches have one number of tokens and differ little in time.
    """
    left = sorted(sentences, key=lambda s: -len(s.ids))
    while left:
        width = next(w for w in _WIDTHS if w >= len(left[0].ids))
        narrower = max((w for w in _WIDTHS if w < width), default=0)
        batch = [s for s in left[: max(1, budget // width)] if len(s.ids) > narrower]
        yield batch, width
        left = left[len(batch) :]


class _Recorder:
    """Collects from hooks on every FFN; the running batch is set before each forward pass."""

    def __init__(self, ffns: Sequence[FFN], languages: int, sentences: int, limit: int) -> None:
        self._ffns = ffns
        self._attached = ExitStack()
        width, hidden = ffns[0].intermediate_size, ffns[0].hidden_size
        self._means = _array((sentences, len(ffns), width), limit)
        # Sums over many tokens: float64, or small variances drown in rounding.
        self._sums = np.zeros((2, languages, len(ffns), width))
        self._outputs = np.zeros((languages, len(ffns), hidden))
        self._tokens = np.zeros(languages, np.int64)
        self._rows: NDArray[np.int64] = np.zeros(0, np.int64)
        self._labels: list[int] = []
        self._mask = torch.zeros(0)

    def start(
        self, batch: Sequence[_Sentence], width: int, rows: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """(input ids, attention mask), both [rows, width], padded on the right and with rows."""
        ids = torch.zeros(rows, width, dtype=torch.long)
        mask = torch.zeros(rows, width, dtype=torch.long)
        mask[:, 0] = 1  # a row that attends to nothing at all may become NaN
        real = torch.zeros(rows, width)
        for row, sentence in enumerate(batch):
            ids[row, : len(sentence.ids)] = torch.tensor(sentence.ids)
            mask[row, : len(sentence.ids)] = 1
            real[row, : len(sentence.ids)] = torch.tensor(sentence.real).float()
            self._tokens[sentence.label] += sum(sentence.real)
        self._rows = np.array([s.index for s in batch])
        self._labels = [s.label for s in batch]
        self._mask = real.to(device)
        return ids.to(device), mask.to(device)

    def attached(self) -> ExitStack:
        for i, ffn in enumerate(self._ffns):
            before = ffn.down.register_forward_pre_hook(
                lambda _module, args, i=i: self._neurons(i, args[0])
            )
            after = ffn.output.register_forward_hook(
                lambda _module, _args, out, i=i: self._output(i, out)
            )
            self._attached.callback(before.remove)
            self._attached.callback(after.remove)
        return self._attached

    def result(
        self, languages: tuple[str, ...], labels: NDArray[np.int32], dropped: NDArray[np.int64]
    ) -> Activations:
        tokens = self._tokens[:, None, None]
        mean = self._sums[0] / tokens
        variance = np.maximum(self._sums[1] / tokens - mean**2, 0)
        if not (np.isfinite(self._sums).all() and np.isfinite(self._outputs).all()):
            raise ModelError("the model's activations are not finite; try --precision fp32")
        return Activations(
            languages=languages,
            labels=labels,
            means=self._means,
            token_mean=mean.astype(np.float32),
            token_std=np.sqrt(variance).astype(np.float32),
            output_mean=(self._outputs / tokens).astype(np.float32),
            tokens=self._tokens,
            dropped=dropped,
        )

    def _neurons(self, layer: int, y: Tensor) -> None:
        sums, squares = self._summed(y, squares=True)
        counts = self._mask.sum(1).cpu().numpy()[: len(self._rows)]
        self._means[self._rows, layer] = sums / counts[:, None]
        np.add.at(self._sums[0, :, layer], self._labels, sums)
        np.add.at(self._sums[1, :, layer], self._labels, squares)

    def _output(self, layer: int, h: Tensor) -> None:
        sums, _ = self._summed(h, squares=False)
        np.add.at(self._outputs[:, layer], self._labels, sums)

    def _summed(self, x: Tensor, squares: bool) -> tuple[Any, Any]:
        """Sums over each sentence's real tokens of x and x², float32 [batch, features]."""
        # OPT folds batch and sequence into one axis before its FFN.
        x = x.reshape(*self._mask.shape, -1).float()
        mask = self._mask[:, None]
        used = len(self._rows)
        plain = (mask @ x)[:used, 0].cpu().numpy()
        return plain, (mask @ x.square())[:used, 0].cpu().numpy() if squares else None


def _array(shape: tuple[int, int, int], limit: int) -> Floats:
    if 4 * int(np.prod(shape)) <= limit:
        return np.empty(shape, np.float32)
    # Unlinked while open: the space is given back however the process ends.
    with tempfile.TemporaryFile(prefix="langsteer-") as file:
        return np.memmap(file, np.float32, "w+", shape=shape)
