"""What memories cost: `python -m profiles.bench.inside_memories [--json]`.

- listening: reading responses, triggers, and the sample's layer statistics, readings through the
  unembedding included, against the bare forward passes over the same batches, in interleaved
  rounds in one process. Neither runs the LM head over the text, and neither tokenizes.
- values: seconds to read some neurons' values through the unembedding, and what all of them take
  at that rate. It is one product with the vocabulary, done once a model and not once a corpus.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from profiles.bench.common import facts, forward_passes, load, model_parser, wait
from profiles.bench.rounds import compare
from profiles.bench.text import bench_corpus
from profiles.corpora.corpus import Corpus
from profiles.finding.batches import plan
from profiles.inside.memories.collect import Amount, listen
from profiles.inside.memories.decoder import find_decoder
from profiles.inside.memories.text import text_of
from profiles.inside.memories.values import read_vectors
from profiles.models.model import LoadedModel
from profiles.models.values import value_vectors

_GROUPS = 36  # what a distribution's mass is counted in: scripts and languages


def listening(
    loaded: LoadedModel,
    corpus: Corpus,
    rounds: int,
    amount: Amount,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Tokens a second of the pass that listens, and of the forward passes alone."""
    batches = plan(loaded.tokenizer, corpus)
    text = text_of([s for batch in batches.batches for s in batch.sentences])
    decoder = find_decoder(loaded.model)
    tokens = int(batches.tokens.sum())

    def bare() -> float:
        begun = clock()
        forward_passes(loaded, batches)
        return clock() - begun

    def heard() -> float:
        begun = clock()
        listen(loaded, decoder, batches, text, _silent, amount)
        wait(loaded)
        return clock() - begun

    times = compare(heard, bare, rounds)
    return {
        "tokens": tokens,
        "positions": amount.positions,
        "triggers": amount.triggers,
        **times.facts("heard", "bare", tokens),
    }


def values(loaded: LoadedModel, neurons: int) -> dict[str, Any]:
    """Seconds for the first `neurons` of the first layer, and for all of the model at that rate."""
    decoder = find_decoder(loaded.model)
    head = decoder.head
    value_NH = head.contribution(0, value_vectors(decoder.ffns[0]).T)[:neurons]
    member_VG = torch.rand(head.size, _GROUPS, device=loaded.device)
    read_vectors(head, value_NH[:8], member_VG, 10)  # warm
    begun = time.perf_counter()
    read_vectors(head, value_NH, member_VG, 10)
    wait(loaded)
    seconds = time.perf_counter() - begun
    every = len(decoder.ffns) * decoder.ffns[0].intermediate_size
    return {
        "neurons": len(value_NH),
        "seconds": round(seconds, 2),
        "all_neurons": every,
        "all_seconds_extrapolated": round(seconds * every / len(value_NH), 1),
    }


@contextmanager
def _silent(_title: str) -> Iterator[Callable[[int, int], None]]:
    yield lambda _done, _total: None


def show(result: Mapping[str, Mapping[str, Any]]) -> None:
    """As sentences, for people."""
    h, v = result["listening"], result["values"]
    print(
        f"listening to {h['tokens']} tokens, {h['positions']} positions sampled: "
        f"{np.median(h['heard_seconds']):.1f} s, bare forward passes "
        f"{np.median(h['bare_seconds']):.1f} s: ratio {h['ratio']} "
        f"({h['ratio_min']}..{h['ratio_max']})"
    )
    print(
        f"values of {v['neurons']} neurons: {v['seconds']} s; all {v['all_neurons']}: "
        f"{v['all_seconds_extrapolated']} s, extrapolated"
    )


def main() -> None:
    """Measure and print."""
    parser = model_parser("What memories cost.")
    parser.add_argument("--languages", type=int, default=12, help="how many (default 12)")
    parser.add_argument("--sentences", type=int, default=260, help="of each (260)")
    parser.add_argument("--positions", type=int, default=120, help="sampled (120)")
    parser.add_argument("--neurons", type=int, default=1024, help="whose values are read (1024)")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="count this process's CPU time, on a CPU that others use too",
    )
    options = parser.parse_args()
    loaded = load(options)
    corpus, joined = bench_corpus(options.corpus, options.languages, options.sentences)
    amount = Amount(positions=options.positions)
    clock = time.process_time if options.cpu_time else time.perf_counter
    result = {
        "listening": listening(loaded, corpus, options.rounds, amount, clock),
        "values": values(loaded, options.neurons),
    }
    if options.json:
        print(json.dumps({**facts(options, loaded), "joined_sentences": joined, **result}))
    else:
        show(result)


if __name__ == "__main__":
    main()
