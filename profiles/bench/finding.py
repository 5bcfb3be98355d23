"""How fast neurons are found: `python -m profiles.bench.finding [--json] [--full]`.

Two comparisons, each in interleaved rounds in one process:

- collecting: reading all the neurons while some of the corpus goes through the model, tokenizing
  included, against the bare forward passes over the same batches;
- finding: collecting, scoring by average precision and selecting, against `plain`, which goes
  sentence by sentence and neuron by neuron.

The plain way takes hours, so unless --full is given it does a sample of the sentences (evenly of
all lengths) and of the neurons, and its time is extrapolated linearly; the output says so. Where
the corpus has fewer sentences than asked for, pairs of its lines make up the rest. Both ways
leave out the LM head, and both yield the same scores, up to the rounding of batched matrix
products: the output says how far apart they are.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from profiles.bench.common import facts, forward_passes, load, model_parser, wait
from profiles.bench.plain import plain_responses, plain_scores, plain_selection
from profiles.bench.rounds import compare
from profiles.bench.text import bench_corpus
from profiles.corpora.corpus import Corpus
from profiles.finding.activations import Activations, record
from profiles.finding.average_precision import average_precision
from profiles.finding.batches import plan
from profiles.finding.select import select_extremes
from profiles.models.model import LoadedModel

_NEURONS = 2000  # selected, as the paper does


@dataclass(frozen=True, kw_only=True)
class Sample:
    """How much of the work is really done; None for all of it.

    Attributes:
        sentences, neurons: by the plain way.
        collected: sentences of each language in the comparison with the bare forward passes, whose
            speeds do not depend on how many there are.
    """

    sentences: int | None
    neurons: int | None
    collected: int | None = None


def collecting(loaded: LoadedModel, corpus: Corpus, rounds: int) -> dict[str, Any]:
    """Tokens a second of `record`, and of the forward passes alone, over the same batches."""
    batches = plan(loaded.tokenizer, corpus)
    tokens = int(batches.tokens.sum())

    def bare() -> None:
        forward_passes(loaded, batches)

    def recorded() -> None:
        record(loaded, corpus)
        wait(loaded)

    # The times' ratio, bare over recorded, is that of the speeds, recorded over bare.
    times = compare(bare, recorded, rounds)
    return {"tokens": tokens, **times.facts("bare", "recorded", tokens)}


def finding(loaded: LoadedModel, corpus: Corpus, rounds: int, sample: Sample) -> dict[str, Any]:
    """Seconds of the whole of it, and of the plain way; and how far apart their scores are."""
    found: dict[str, Any] = {}

    def ours() -> None:
        activations = record(loaded, corpus)
        scores = _scores(activations)
        for row in scores:
            select_extremes(row, _NEURONS)
        found["activations"], found["scores"] = activations, scores

    ours()
    plain = _Plain(loaded, corpus, found["activations"], sample)
    if plain.sampled:
        plain()  # warm, as ours is
    times = compare(plain, ours, rounds, warm=False)
    layers, width = found["activations"].means.shape[1:]
    return {
        "sentences": len(plain.labels),
        "neurons": layers * width,
        "languages": len(corpus.texts),
        "plain_extrapolated": plain.sampled,
        "plain_sentences": len(plain.chosen_sentences),
        "plain_neurons": len(plain.chosen_neurons),
        **times.facts("plain", "ours"),
        "largest_response_difference": plain.off_responses(found["activations"]),
        "largest_score_difference": plain.off_scores(found["scores"]),
    }


def _scores(activations: Activations) -> np.ndarray[Any, np.dtype[np.float32]]:
    flat = activations.means.reshape(len(activations.means), -1)
    return average_precision(flat, activations.labels, len(activations.languages))


class _Plain:
    """The plain way on a sample; called, it says how long the whole would take, in seconds."""

    def __init__(
        self, loaded: LoadedModel, corpus: Corpus, activations: Activations, sample: Sample
    ) -> None:
        self._loaded = loaded
        # Scored are always columns of full length, for the cost of a score depends on it; where
        # not every sentence is run the plain way they are ours, which have the same values.
        self._flat = activations.means.reshape(len(activations.means), -1)
        self.labels, self._languages = activations.labels, len(activations.languages)
        count, width = self._flat.shape
        sentences = min(sample.sentences or count, count)
        neurons = min(sample.neurons or width, width)
        texts = _kept(corpus, activations)
        self.chosen_sentences = _of_all_lengths(loaded, texts, sentences)
        self.chosen_neurons = sorted(random.Random(0).sample(range(width), neurons))
        self.sampled = sentences < count or neurons < width
        self._texts = [texts[n] for n in self.chosen_sentences]
        self._responses = np.zeros((0, width), np.float32)
        self._scored = np.zeros((self._languages, 0))

    def __call__(self) -> float:
        begun = time.perf_counter()
        self._responses = plain_responses(self._loaded, self._texts)
        responding = time.perf_counter() - begun
        whole = len(self.chosen_sentences) == len(self._flat)
        columns = (self._responses if whole else self._flat)[:, self.chosen_neurons]
        begun = time.perf_counter()
        self._scored = plain_scores(columns, self.labels, self._languages)
        plain_selection(self._scored, _NEURONS)
        scoring = time.perf_counter() - begun
        count, width = self._flat.shape
        return responding * count / len(self.chosen_sentences) + scoring * width / len(
            self.chosen_neurons
        )

    def off_responses(self, activations: Activations) -> float:
        """Largest difference between the two ways' responses, in the neurons' deviations."""
        flat = activations.means.reshape(len(activations.means), -1)
        spread = flat.std(axis=0) + 1e-6
        return float((np.abs(flat[self.chosen_sentences] - self._responses) / spread).max())

    def off_scores(self, scores: np.ndarray[Any, np.dtype[np.float32]]) -> float:
        """Largest difference between the two ways' scores, both in 0..1."""
        return float(np.abs(scores[:, self.chosen_neurons] - self._scored).max())


def _some(corpus: Corpus, count: int | None) -> Corpus:
    """Every n-th sentence, about `count` of each language."""
    if count is None:
        return corpus
    texts = {tag: lines[:: max(1, len(lines) // count)] for tag, lines in corpus.texts.items()}
    return Corpus(source=corpus.source, texts=texts)


def _of_all_lengths(loaded: LoadedModel, texts: Sequence[str], count: int) -> list[int]:
    """Indices of `count` texts evenly spaced by length, so that a few stand for the cost of all."""
    lengths = [len(ids) for ids in loaded.tokenizer(list(texts))["input_ids"]]
    order = sorted(range(len(texts)), key=lengths.__getitem__)
    return sorted(order[int((n + 0.5) * len(texts) / count)] for n in range(count))


def _kept(corpus: Corpus, activations: Activations) -> list[str]:
    """The sentences in the order of `Activations.labels`; those too long are left out there."""
    if activations.dropped.any():
        raise SystemExit("the corpus has sentences over the length limit; choose another")
    texts = [text for lines in corpus.texts.values() for text in lines]
    if len(texts) != len(activations.labels):
        raise SystemExit("the corpus has sentences without a token; choose another")
    return texts


def measure(
    loaded: LoadedModel, corpus: Corpus, rounds: int, sample: Sample
) -> dict[str, Mapping[str, Any]]:
    """Both comparisons."""
    return {
        "collecting": collecting(loaded, _some(corpus, sample.collected), rounds),
        "finding": finding(loaded, corpus, rounds, sample),
    }


def show(result: Mapping[str, Mapping[str, Any]]) -> None:
    """As sentences, for people."""
    c, f = result["collecting"], result["finding"]
    print(
        f"collecting: {c['recorded_tokens_per_second']} tokens/s, bare forward passes "
        f"{c['bare_tokens_per_second']}: ratio {c['ratio']} ({c['ratio_min']}..{c['ratio_max']})"
    )
    how = "measured"
    if f["plain_extrapolated"]:
        how = (
            f"extrapolated from {f['plain_sentences']} sentences' forward passes and "
            f"{f['plain_neurons']} neurons' scores"
        )
    print(
        f"finding ({f['sentences']} sentences of {f['languages']} languages, {f['neurons']} "
        f"neurons): {np.median(f['ours_seconds']):.1f} s, the plain way "
        f"{np.median(f['plain_seconds']):.1f} s, {how}: ratio {f['ratio']} "
        f"({f['ratio_min']}..{f['ratio_max']}); scores differ by at most "
        f"{f['largest_score_difference']:.1e}"
    )


def main() -> None:
    """Measure and print."""
    parser = model_parser("How fast neurons are found.")
    parser.add_argument("--languages", type=int, default=8, help="how many (default 8)")
    parser.add_argument("--sentences", type=int, default=500, help="of each (500)")
    parser.add_argument("--plain-sentences", type=int, default=64, help="the plain way runs (64)")
    parser.add_argument("--plain-neurons", type=int, default=128, help="it scores (128)")
    parser.add_argument(
        "--collected", type=int, default=100, help="sentences of each to collect from (100)"
    )
    parser.add_argument("--full", action="store_true", help="do all of it, for hours")
    options = parser.parse_args()
    loaded = load(options)
    corpus, joined = bench_corpus(options.corpus, options.languages, options.sentences)
    sample = Sample(
        sentences=None if options.full else options.plain_sentences,
        neurons=None if options.full else options.plain_neurons,
        collected=None if options.full else options.collected,
    )
    result = measure(loaded, corpus, options.rounds, sample)
    if options.json:
        print(json.dumps({**facts(options, loaded), "joined_sentences": joined, **result}))
    else:
        if joined:
            print(f"{joined} of the sentences are pairs of the corpus's lines")
        show(result)


if __name__ == "__main__":
    main()
