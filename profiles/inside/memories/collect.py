"""A model and a corpus → its memories, in one pass over the text and one over the values."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from profiles.corpora.corpus import Corpus
from profiles.finding.activations import Activations
from profiles.finding.activations import collect as collect_responses
from profiles.finding.batches import BATCH_TOKENS, Plan, Sentence, plan
from profiles.finding.hooked import HookedModel
from profiles.finding.responses import MEMORY_LIMIT
from profiles.finding.sites import find_site
from profiles.inside.memories.decoder import Decoder, find_decoder
from profiles.inside.memories.groups import group_tokens
from profiles.inside.memories.listen import Listener
from profiles.inside.memories.memory_store import MemoryStore
from profiles.inside.memories.pieces import read_pieces
from profiles.inside.memories.reading import composed, read_sample
from profiles.inside.memories.sampled import Sampled
from profiles.inside.memories.scores import score_languages
from profiles.inside.memories.text import Text, text_of
from profiles.inside.memories.triggers import Triggers
from profiles.inside.memories.values import read_values
from profiles.models.model import LoadedModel
from profiles.progress import Stage
from profiles.versions import versions

# Of what neurons keep, from which on a warning is due: a store of the demo model has 39 MB.
_LARGE = 1e9


@dataclass(frozen=True, kw_only=True)
class Amount:
    """How much is kept.

    Attributes:
        triggers: a neuron and sign.
        tokens: a value and sign.
        positions: sampled in all, the same number a language as far as they go.
        seed: of the sample.
        values: whether to read what values say.
    """

    triggers: int = 10
    tokens: int = 10
    positions: int = 120
    seed: int = 0
    values: bool = True

    def capped(self, corpus_tokens: int, vocabulary: int) -> Amount:
        """No more triggers than the corpus has tokens, no more tokens than the vocabulary."""
        return replace(
            self,
            triggers=min(self.triggers, corpus_tokens),
            tokens=min(self.tokens, vocabulary),
        )

    def size(self, neurons: int, groups: int) -> int:
        """Bytes that so many neurons take in all, in memory and in the file."""
        trigger = 4 + 8  # a float32 and an int64, see `Triggers`
        said = self.tokens * (4 + 4) + groups * 2 if self.values else 0  # see `Said`
        return neurons * 2 * (self.triggers * trigger + said)


@dataclass(frozen=True, kw_only=True, eq=False)
class Heard:
    """What one pass over a corpus gives."""

    activations: Activations
    listener: Listener
    sampled: Sampled


def collect_memories(
    loaded: LoadedModel,
    corpus: Corpus,
    stage: Stage,
    amount: Amount | None = None,
    *,
    down_projection: str | None = None,
    memory_limit: int = MEMORY_LIMIT,
    warn: Callable[[str], None] = lambda _line: None,
) -> MemoryStore:
    """Read a corpus and a model's values.

    Memory is that of `record`, and `Amount` of every neuron and sampled position; the corpus
    itself is held as tokens.

    Args:
        loaded: the model.
        corpus: the text.
        stage: shows progress.
        amount: how much is kept.
        down_projection: see `find_ffns`.
        memory_limit: see `record`.
        warn: is told, before the work begins, where the store will be large.

    Raises:
        CorpusError, ModelError: see `record` and `find_decoder`.
    """
    amount = amount or Amount()
    decoder = find_decoder(loaded.model, down_projection)
    clock = _Clock()
    with clock("tokens"), stage("reading tokens"):
        batches = plan(loaded.tokenizer, corpus, BATCH_TOKENS)
        sentences = [s for batch in batches.batches for s in batch.sentences]
        text = text_of(sentences)
        pieces = read_pieces(loaded.tokenizer, decoder.head.size)
        groups = group_tokens(pieces, batches.languages, _counts(sentences, batches, len(pieces)))
    amount = amount.capped(int(batches.tokens.sum()), len(pieces))
    neurons = len(decoder.ffns) * decoder.ffns[0].intermediate_size
    if (size := amount.size(neurons, groups.member.shape[1])) > _LARGE:
        warn(
            f"{amount.triggers} triggers and {amount.tokens} tokens of each of {neurons} neurons, "
            f"both ways, take {size / 1e9:.1f} GB, in memory and in the file; fewer with "
            "--triggers and --tokens"
        )
    with clock("corpus"):
        heard = listen(loaded, decoder, batches, text, stage, amount, memory_limit)
    sampled, said = heard.sampled, None
    if amount.values:
        with clock("values"), stage("reading the values") as show:
            member_VG = torch.from_numpy(groups.member).to(loaded.device)
            said = read_values(decoder, member_VG, amount.tokens, show)
            alone = composed(sampled, heard.listener.coefficients, said)
            sampled = replace(sampled, alone=alone)
    with clock("scores"), stage("scoring neurons"):
        scores = score_languages(heard.activations)
    found = _triggers(heard.listener)
    both = np.stack([found.high_at, found.low_at])
    kept, (high_at, low_at) = text.only(both)
    return MemoryStore(
        model=loaded.identity,
        languages=batches.languages,
        about={
            "corpus": {"source": corpus.source, "sha256": corpus.digest},
            "sentences": heard.activations.sentences.tolist(),
            "tokens": batches.tokens.tolist(),
            "positions": len(sampled.labels),
            "seed": amount.seed,
            "precision": str(loaded.model.dtype).removeprefix("torch."),
            "seconds": clock.seconds,
            "versions": versions(),
        },
        pieces=pieces,
        text=kept,
        triggers=replace(found, high_at=high_at, low_at=low_at),
        scores=scores,
        said=said,
        groups=groups,
        sampled=sampled,
    )


def listen(
    loaded: LoadedModel,
    decoder: Decoder,
    batches: Plan,
    text: Text,
    stage: Stage,
    amount: Amount,
    memory_limit: int = MEMORY_LIMIT,
) -> Heard:
    """The pass over the corpus: responses, triggers, and the sample with its readings."""
    sentences = [s for batch in batches.batches for s in batch.sentences]
    places = _sample(sentences, text, amount)
    site = find_site(loaded.model, "ffn", decoder.ffns[0].path)
    listener = Listener(
        HookedModel(loaded.decoder, site, loaded.device),
        decoder,
        text.starts.tolist(),
        amount.triggers,
        {place: n for n, place in enumerate(places)},
        loaded.device,
    )
    with stage("reading the corpus") as show:
        activations = collect_responses(listener, batches, memory_limit=memory_limit, progress=show)
    with stage("reading the sample") as show:
        labels = text.labels[text.sentence(np.array(places, np.int64))]
        sampled = read_sample(decoder, listener, labels, show)
    return Heard(activations=activations, listener=listener, sampled=sampled)


def _sample(sentences: list[Sentence], text: Text, amount: Amount) -> list[int]:
    """Places of real tokens, the same number of each language as far as they go; ascending."""
    by_language: dict[int, list[int]] = {}
    for sentence in sentences:
        start = int(text.starts[sentence.index])
        real = [start + i for i, is_real in enumerate(sentence.real) if is_real]
        by_language.setdefault(sentence.label, []).extend(real)
    rng = random.Random(amount.seed)
    share = -(-amount.positions // len(by_language))
    return sorted(
        place
        for _, places in sorted(by_language.items())
        for place in rng.sample(sorted(places), min(share, len(places)))
    )


def _counts(sentences: list[Sentence], batches: Plan, size: int) -> NDArray[np.int64]:
    """[languages, vocabulary], how often each token occurs; special ones never do."""
    counts = np.zeros((len(batches.languages), size), np.int64)
    for sentence in sentences:
        real = [i for i, is_real in zip(sentence.ids, sentence.real, strict=True) if is_real]
        np.add.at(counts[sentence.label], real, 1)
    return counts


def _triggers(listener: Listener) -> Triggers:
    def stacked(tensors: list[torch.Tensor]) -> Any:
        return torch.stack(tensors).cpu().numpy()

    return Triggers(
        high=stacked([top.values for top in listener.high]),
        high_at=stacked([top.at for top in listener.high]),
        low=-stacked([top.values for top in listener.low]),
        low_at=stacked([top.at for top in listener.low]),
    )


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begun, 1)
