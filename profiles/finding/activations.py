"""Model + text → response of every neuron to every sentence, and running statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.corpora.corpus import Corpus
from profiles.errors import ModelError
from profiles.finding.backend import Backend, Recorded
from profiles.finding.batches import BATCH_TOKENS, Plan, plan
from profiles.finding.hooked import HookedModel
from profiles.finding.responses import MEMORY_LIMIT, Responses, Stored
from profiles.finding.sites import SiteName, find_site
from profiles.models.model import LoadedModel
from profiles.profile import Floats

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Activations:
    """What every unit of a site did on a corpus; at the site "ffn" the units are the neurons.

    Special tokens and padding are excluded throughout.

    Attributes:
        languages: BCP 47 tags; the index into them is a language's label.
        labels: int32 [sentences].
        means: float32 or float16 [sentences, layers, neurons], mean response over a sentence's
            tokens; memory-mapped where it is large.
        token_mean, token_std: float32 [languages, layers, neurons], over all tokens.
        token_active: float32 [languages, layers, neurons], share of the tokens with
            act(gate) > 0 (p of Tang et al. 2024, equation 4); of FFNs without a gate, and at
            other sites, with a response > 0.
        output_mean: float32 [languages, layers, hidden_size], mean FFN output over all tokens.
        tokens: int64 [languages].
        dropped: int64 [languages], sentences over MAX_TOKENS.
        parts: (path below the decoder layer, width) of what a layer's units are made of.
    """

    languages: tuple[str, ...]
    labels: NDArray[np.int32]
    means: Floats
    token_mean: Floats
    token_std: Floats
    token_active: Floats
    output_mean: Floats
    tokens: NDArray[np.int64]
    dropped: NDArray[np.int64]
    parts: tuple[tuple[str, int], ...]

    @cached_property
    def sentences(self) -> NDArray[np.int64]:
        """int64 [languages], how many were read."""
        return np.bincount(self.labels, minlength=len(self.languages))

    def unit(self, index: int) -> tuple[str, int]:
        """(projection, index within it) of a layer's unit, e.g. ("self_attn.k_proj", 3).

        Raises:
            IndexError: a layer has no such unit.
        """
        left = index
        for path, width in self.parts:
            if 0 <= left < width:
                return path, left
            left -= width
        raise IndexError(f"unit {index}, a layer has {self.means.shape[2]}")


def record(
    loaded: LoadedModel,
    corpus: Corpus,
    *,
    site: SiteName = "ffn",
    down_projection: str | None = None,
    batch_tokens: int = BATCH_TOKENS,
    memory_limit: int = MEMORY_LIMIT,
    stored: Stored = "float32",
    progress: Progress | None = None,
) -> Activations:
    """One forward pass over `corpus`, in batches of sentences of similar length.

    Args:
        loaded: the model; its LM head is not run.
        corpus: the text.
        site: whose responses, see `find_site`.
        down_projection: see `find_ffns`.
        batch_tokens: tokens a batch, padding included; a multiple of 1536.
        memory_limit: bytes of responses above which they go to a temporary file.
        stored: type of the responses; float16 halves their space.
        progress: called with (tokens done, tokens in all).

    Raises:
        CorpusError: a language has no sentence of at most MAX_TOKENS tokens, or the responses
            do not fit on the disk.
        ModelError: the model has no such site, or its activations are not finite.
    """
    backend = HookedModel(
        loaded.decoder, find_site(loaded.model, site, down_projection), loaded.device
    )
    return record_through(
        backend,
        loaded.tokenizer,
        corpus,
        batch_tokens=batch_tokens,
        memory_limit=memory_limit,
        stored=stored,
        progress=progress,
    )


def record_through(
    backend: Backend,
    tokenizer: Any,
    corpus: Corpus,
    *,
    batch_tokens: int = BATCH_TOKENS,
    memory_limit: int = MEMORY_LIMIT,
    stored: Stored = "float32",
    progress: Progress | None = None,
) -> Activations:
    """As `record`, with the model wherever `backend` has it.

    The batches, and the order in which their sums are added, depend on the corpus alone: so do
    the results, however many processes ran the batches.

    Args:
        backend: runs the model.
        tokenizer: the model's.
        corpus, batch_tokens, memory_limit, stored, progress: see `record`.

    Raises:
        BackendError: see the backend.
        CorpusError, ModelError: see `record`.
    """
    batches = plan(tokenizer, corpus, batch_tokens)
    return collect(backend, batches, memory_limit=memory_limit, stored=stored, progress=progress)


def collect(
    backend: Backend,
    batches: Plan,
    *,
    memory_limit: int = MEMORY_LIMIT,
    stored: Stored = "float32",
    progress: Progress | None = None,
) -> Activations:
    """As `record_through`, of a corpus that is already in batches."""
    total = sum(len(s.ids) for batch in batches.batches for s in batch.sentences)
    done = 0
    sums: _Sums | None = None
    for batch, recorded in zip(batches.batches, backend.run(batches.batches), strict=True):
        if sums is None:
            sums = _Sums(batches, recorded, stored, memory_limit)
        rows = np.array([s.index for s in batch.sentences])
        sums.add(rows, recorded)
        done += sum(len(s.ids) for s in batch.sentences)
        if progress:
            progress(done, total)
    assert sums is not None, "a plan has a batch"
    return sums.result()


class _Sums:
    """Adds up batches."""

    def __init__(self, batches: Plan, first: Recorded, stored: Stored, limit: int) -> None:
        _, layers, units = first.means.shape
        languages = len(batches.languages)
        self._plan = batches
        self._parts = first.parts
        self._responses = Responses((len(batches.labels), layers, units), stored, limit)
        self._sums = np.zeros((languages, layers, units))
        self._squares = np.zeros_like(self._sums)
        self._active = np.zeros(self._sums.shape, np.int64)
        self._outputs = np.zeros((languages, layers, first.outputs.shape[2]))

    def add(self, rows: NDArray[np.int64], recorded: Recorded) -> None:
        if not (np.isfinite(recorded.sums).all() and np.isfinite(recorded.outputs).all()):
            raise ModelError("the model's activations are not finite; try --precision fp32")
        self._responses.write(rows, recorded.means)
        at = recorded.labels
        self._sums[at] += recorded.sums
        self._squares[at] += recorded.squares
        self._active[at] += recorded.active
        self._outputs[at] += recorded.outputs

    def result(self) -> Activations:
        tokens = self._plan.tokens[:, None, None]
        mean = self._sums / tokens
        variance = np.maximum(self._squares / tokens - mean**2, 0)
        with self._responses as responses:
            means = responses.array()
        return Activations(
            languages=self._plan.languages,
            labels=self._plan.labels,
            means=means,
            token_mean=mean.astype(np.float32),
            token_std=np.sqrt(variance).astype(np.float32),
            token_active=(self._active / tokens).astype(np.float32),
            output_mean=(self._outputs / tokens).astype(np.float32),
            tokens=self._plan.tokens,
            dropped=self._plan.dropped,
            parts=self._parts,
        )
