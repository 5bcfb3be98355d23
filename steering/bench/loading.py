"""How long a worker is held up by a profile that comes, a row that is composed, one that goes.

`python -m steering.bench.loading [--json]`. All three happen between two steps. Profiles of
neuron edits, spread over all layers, or of offsets or memories in every one, on the CPU.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from profiles.profile import Edit, MemoryEdit, ModelIdentity, NeuronEdit, OffsetEdit, Profile
from steering.capacity import Capacity, plan
from steering.request import SteeringRequest
from steering.tables import Tables

# Layers, hidden size, neurons a layer.
MODELS = {
    "gemma-3-270m": (18, 640, 2048),
    "llama-3-8b": (32, 4096, 14336),
    "llama-3-70b": (80, 8192, 28672),
}
# What a profile edits, and the share of the neurons that it is.
EDITED = {"offsets": 0.0, "memories": 0.0, "1% of the neurons": 0.01, "5% of the neurons": 0.05}


@dataclass(frozen=True, kw_only=True)
class Pauses:
    """Milliseconds for one profile beside another one, medians.

    Attributes:
        model, edited: whose sizes, and what of it, of `EDITED`.
        load_ms, row_ms, unload_ms: loading it, composing a row of it, unloading it.
    """

    model: str
    edited: str
    load_ms: float
    row_ms: float
    unload_ms: float


def measure(model: str, edited: str, rounds: int = 5) -> Pauses:
    """Load, compose and unload one profile beside another, `rounds` times."""
    layers, _, wide = MODELS[model]
    first, second = (_profile(model, edited, seed) for seed in range(2))
    capacity = Capacity.from_config(plan([first, second]))
    tables = Tables(capacity, layers=[*range(layers)], shard=(0, wide), rows=3)
    tables.load(first)
    wanted = SteeringRequest(target=second.content_hash).combination
    taken: list[list[float]] = [[], [], []]
    for _ in range(rounds):
        steps: list[Callable[[], object]] = [
            lambda: tables.load(second),
            lambda: tables.write_row(1, wanted),
            lambda: tables.unload(second.content_hash),
        ]
        for seconds, step in zip(taken, steps, strict=True):
            begun = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - begun)
    load, row, unload = (round(1000 * float(np.median(seconds)), 2) for seconds in taken)
    return Pauses(model=model, edited=edited, load_ms=load, row_ms=row, unload_ms=unload)


def _profile(model: str, edited: str, seed: int) -> Profile:
    layers, hidden, wide = MODELS[model]
    rng, count = np.random.default_rng(seed), round(EDITED[edited] * wide)
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
        value, key = rng.normal(size=(2, layers, hidden)).astype(np.float32)
        bias = np.zeros(layers, np.float32)
        memories = MemoryEdit(layer=every, key=key, bias=bias, value=value)
        offsets = OffsetEdit(layer=every, value=value)
        edit = Edit(memories=memories) if edited == "memories" else Edit(offsets=offsets)
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
    found = [measure(model, edited) for model in MODELS for edited in EDITED]
    if options.json:
        print(json.dumps([asdict(each) for each in found]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Milliseconds between two steps")
    for heading in ("model", "edited", "load", "compose a row", "unload"):
        table.add_column(heading)
    for each in found:
        table.add_row(*map(str, asdict(each).values()))
    Console().print(table)


if __name__ == "__main__":
    main()
