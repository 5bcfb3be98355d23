"""What `langsteer layers` costs: `python -m profiles.bench.inside_layers [--json]`.

Two ratios, in interleaved rounds in one process, over the same batches: the forward passes that are
read, tokenizing included, to the bare ones; and the same with all measures and their bootstrap
behind them. The LM head is left out of all of them. --cpu-time counts the process's own seconds,
for machines that do other work meanwhile.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from typing import Any

from profiles.bench.common import facts, forward_passes, load, model_parser
from profiles.bench.rounds import Comparison, compare
from profiles.corpora.corpus import Corpus, read_corpus
from profiles.finding.batches import plan
from profiles.inside.layers.measure import Options, measure
from profiles.inside.layers.read import read_layers, short_lines
from profiles.models.model import LoadedModel


def measure_costs(
    loaded: LoadedModel, corpus: Corpus, rounds: int, options: Options, *, cpu: bool = False
) -> dict[str, Any]:
    """ "reading" and "all", each over the bare forward passes, for JSON.

    Args:
        loaded: the model.
        corpus: see `short_lines`.
        rounds: how many.
        options: of the measures.
        cpu: count seconds of the processor, not of the clock.
    """
    clock = time.process_time if cpu else time.perf_counter
    batches = plan(loaded.tokenizer, corpus)
    tokens = int(batches.tokens.sum())

    def bare() -> float:
        begun = clock()
        forward_passes(loaded, batches)
        return clock() - begun

    read: list[float] = []

    def everything() -> float:
        begun = clock()
        readings = read_layers(loaded, corpus)
        read.append(clock() - begun)
        measure(readings, options)
        return clock() - begun

    found = compare(everything, bare, rounds)
    reading = Comparison(read[-rounds:], found.second)  # without the warm-up
    return {
        "languages": len(corpus.texts),
        "lines": len(next(iter(corpus.texts.values()))),
        "tokens": tokens,
        "draws": options.draws,
        "reading": reading.facts("reading", "bare"),
        "all": found.facts("all", "bare"),
    }


def show(found: Mapping[str, Any]) -> None:
    """As sentences, for people."""
    print(f"{found['languages']} languages, {found['lines']} lines, {found['tokens']} tokens")
    for name, what in (
        ("reading", "forward passes that are read"),
        ("all", f"with all measures, {found['draws']} draws"),
    ):
        row = found[name]
        print(
            f"{what}: {row['ratio']} times the bare forward passes "
            f"({row['ratio_min']} to {row['ratio_max']} by round)"
        )


def _options() -> argparse.Namespace:
    parser = model_parser("What measuring layers costs.")
    parser.add_argument("--languages", type=int, default=12, help="how many (default 12)")
    parser.add_argument("--lines", type=int, default=260, help="of each (default 260)")
    parser.add_argument("--draws", type=int, default=200, help="of the bootstrap (default 200)")
    parser.add_argument("--cpu-time", action="store_true", help="seconds of the processor")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = _options()
    loaded = load(options)
    text = read_corpus(options.corpus, limit=options.lines)
    some = {tag: text.texts[tag] for tag in [*text.texts][: options.languages]}
    corpus = short_lines(loaded, Corpus(source=text.source, texts=some, numbers=text.numbers))
    measures = Options(draws=options.draws)
    found = measure_costs(loaded, corpus, options.rounds, measures, cpu=options.cpu_time)
    if options.json:
        print(json.dumps({**facts(options, loaded), **found}))
    else:
        show(found)


if __name__ == "__main__":
    main()
