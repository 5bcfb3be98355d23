"""What splitting feed-forward blocks costs: `python -m profiles.bench.inside_mixing [--json]`.

By length of the text: `contextualize`, which splits every layer over its sources, against the
bare forward pass over the same tokens, eager attention in both, in interleaved rounds in one
process. And the longest text that fits some memories.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from profiles.bench.common import facts, load, model_parser, wait
from profiles.bench.rounds import compare
from profiles.corpora.corpus import read_corpus
from profiles.inside.mixing.contextualize import contextualize
from profiles.inside.mixing.length import longest
from profiles.models.architecture import find_dense_ffns
from profiles.models.model import LoadedModel

_LENGTHS = (8, 16, 32, 64, 128, 256)
_GIB = (0.5, 1, 2, 8)


def by_length(
    loaded: LoadedModel,
    ids: Sequence[int],
    lengths: Sequence[int],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[dict[str, Any]]:
    """A row a length: seconds of both, and their ratio.

    Args:
        ids: at least as many as the largest length.
        clock: what counts as seconds.
    """
    loaded.model.set_attn_implementation("eager")
    rows = []
    for length in lengths:
        some = [*ids[:length]]

        def bare(some: Sequence[int] = some) -> float:
            begun = clock()
            with torch.inference_mode():
                tokens = torch.tensor([some], device=loaded.device)
                loaded.decoder(input_ids=tokens, use_cache=False)
            wait(loaded)
            return clock() - begun

        def split(some: Sequence[int] = some) -> float:
            begun = clock()
            contextualize(loaded, some)
            wait(loaded)
            return clock() - begun

        found = compare(split, bare, rounds, warm=length == lengths[0])
        rows.append({"tokens": length, **found.facts("split", "bare")})
    return rows


def show(result: Mapping[str, Any]) -> None:
    """As a table, for people."""
    for row in result["lengths"]:
        split, bare = (statistics.median(row[f"{side}_seconds"]) for side in ("split", "bare"))
        print(
            f"{row['tokens']:4} tokens: split {split:.2f} s, bare forward pass {bare:.3f} s: "
            f"× {row['ratio']:.0f} ({row['ratio_min']:.0f}..{row['ratio_max']:.0f})"
        )
    for gib, tokens in result["longest"].items():
        print(f"{gib} GiB: texts of up to {tokens} tokens")


def main() -> None:
    """Measure and print."""
    parser = model_parser("What splitting feed-forward blocks over sources costs.")
    parser.set_defaults(precision="fp32")
    parser.add_argument(
        "--lengths", default=",".join(map(str, _LENGTHS)), help="tokens, e.g. 8,32,128"
    )
    parser.add_argument(
        "--cpu-time", action="store_true", help="count CPU seconds: for a CPU that is shared"
    )
    options = parser.parse_args()
    lengths = sorted({int(part) for part in options.lengths.split(",")})
    loaded = load(options)
    lines = (line for lines in read_corpus(options.corpus).texts.values() for line in lines)
    text = " ".join(itertools.islice(lines, lengths[-1]))
    # No language of the starter corpus takes more letters a token.
    ids = loaded.tokenizer(text[: 8 * lengths[-1]]).input_ids
    if len(ids) < lengths[-1]:
        raise SystemExit(f"{options.corpus} has {len(ids)} tokens, {lengths[-1]} are asked for")
    result = facts(options, loaded)
    clock = time.process_time if options.cpu_time else time.perf_counter
    result["lengths"] = by_length(loaded, ids, lengths, options.rounds, clock)
    neurons = find_dense_ffns(loaded.model)[0].intermediate_size
    result["longest"] = {f"{gib:g}": longest(loaded, neurons, round(gib * 2**30)) for gib in _GIB}
    print(json.dumps(result)) if options.json else show(result)


if __name__ == "__main__":
    main()
