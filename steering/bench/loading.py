"""How long a worker is held up by a profile that comes, a row that is composed, one that goes.

`python -m steering.bench.loading [--json]`. All three happen between two steps. Profiles of
neuron edits, spread over all layers, on the CPU.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from profiles.profile import Edit, ModelIdentity, NeuronEdit, OffsetEdit, Profile
from steering.capacity import Capacity, plan
from steering.tables import Tables

# Layers, hidden size, neurons a layer.
MODELS = {
    "gemma-3-270m": (18, 640, 2048),
    "llama-3-8b": (32, 4096, 14336),
    "llama-3-70b": (80, 8192, 28672),
}
SHARES = (0.0, 0.01, 0.05)


@dataclass(frozen=True, kw_only=True)
class Pauses:
    """Milliseconds for one profile beside another one, medians.

    Attributes:
        model, share: whose sizes, and the share of its neurons; 0 is an offset in every layer.
        load_ms, row_ms, unload_ms: loading it, composing a row of it, unloading it.
    """

    model: str
    share: float
    load_ms: float
    row_ms: float
    unload_ms: float


def measure(model: str, share: float, rounds: int = 5) -> Pauses:
    """Load, compose and unload one profile beside another, `rounds` times."""
    layers, _, wide = MODELS[model]
    first, second = (_profile(model, share, seed) for seed in range(2))
    capacity = Capacity.from_config(plan([first, second]))
    tables = Tables(capacity, layers=[*range(layers)], shard=(0, wide), rows=3)
    tables.load(first)
    taken: list[list[float]] = [[], [], []]
    for _ in range(rounds):
        steps: list[Callable[[], object]] = [
            lambda: tables.load(second),
            lambda: tables.write_row(1, (second.content_hash, ())),
            lambda: tables.unload(second.content_hash),
        ]
        for seconds, step in zip(taken, steps, strict=True):
            begun = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - begun)
    load, row, unload = (round(1000 * float(np.median(seconds)), 2) for seconds in taken)
    return Pauses(model=model, share=share, load_ms=load, row_ms=row, unload_ms=unload)


def _profile(model: str, share: float, seed: int) -> Profile:
    layers, hidden, wide = MODELS[model]
    rng, count = np.random.default_rng(seed), round(share * wide)
    identity = ModelIdentity(
        name=model,
        architecture=model,
        layers=layers,
        hidden_size=hidden,
        intermediate_size=wide,
        tokenizer="",
        weights="",
    )
    every = np.arange(layers, dtype=np.int32)
    if not count:
        value = rng.normal(size=(layers, hidden)).astype(np.float32)
        edit = Edit(offsets=OffsetEdit(layer=every, value=value))
    else:
        picked = [rng.choice(wide, count, replace=False) for _ in range(layers)]
        edit = Edit(
            neurons=NeuronEdit(
                layer=np.repeat(every, count),
                neuron=np.concatenate(picked).astype(np.int32),
                add=rng.normal(size=layers * count).astype(np.float32),
                scale=np.zeros(layers * count, np.float32),
            )
        )
    made = Profile(language="de" if seed else "ja", model=identity, target=edit)
    _ = made.content_hash  # worked out where the file is read, before a worker sees it
    return made


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description="What loading a profile costs a worker.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    found = [measure(model, share) for model in MODELS for share in SHARES]
    if options.json:
        print(json.dumps([asdict(each) for each in found]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Milliseconds between two steps")
    for heading in ("model", "edited", "load", "compose a row", "unload"):
        table.add_column(heading)
    for each in found:
        edited = f"{each.share:.0%} of the neurons" if each.share else "offsets"
        table.add_row(each.model, edited, f"{each.load_ms}", f"{each.row_ms}", f"{each.unload_ms}")
    Console().print(table)


if __name__ == "__main__":
    main()
