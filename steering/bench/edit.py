"""What the edit itself costs: one feed-forward layer with and without it, interleaved.

`python -m steering.bench.edit [--json] [--rounds N] [--shapes llama-3-70b]`. Plain torch, no
vLLM, on the CPU or, where there is one, the GPU: compiled and, on the GPU, in a CUDA graph, as
vLLM would. It bounds the cost from above: attention, the vocabulary projection and the server are
not in the denominator.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional

from profiles.bench.rounds import compare
from steering.edit import edit_neurons, edit_output, memory_gains

_ROWS = 65
_MEMORIES = 32  # a dozen languages, towards and away, and some to spare


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One layer's sizes; about 1% of its neurons are edited, in whole vector registers."""

    hidden: int
    wide: int
    edited: int


SHAPES = {
    "gemma-3-270m": Shape(hidden=640, wide=2048, edited=32),
    "llama-3-8b": Shape(hidden=4096, wide=14336, edited=144),
    "llama-3-70b": Shape(hidden=8192, wide=28672, edited=288),
}
_TOKENS = (1, 32, 256)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Time of one layer without and with an edit.

    Attributes:
        shape, tokens, edit: what was measured.
        plain_us, edited_us: medians, microseconds.
        ratio: edited over plain, of medians.
        lowest, highest: ratio of a round.
    """

    shape: str
    tokens: int
    edit: str
    plain_us: float
    edited_us: float
    ratio: float
    lowest: float
    highest: float


def measure(name: str, tokens: int, *, rounds: int, device: str) -> list[Cost]:
    """Costs of the neuron edit, the output offset and the memory for one shape and batch size."""
    shape, g = SHAPES[name], torch.Generator().manual_seed(0)
    # The compiler gives up on a function that it has met with many shapes.
    torch._dynamo.reset()

    def random(*size: int) -> Tensor:
        return torch.randn(*size, generator=g).to(device)

    def weight(*size: int) -> Tensor:
        return torch.randn(*size, generator=g, dtype=torch.bfloat16).to(device)

    gate_up, down = weight(2 * shape.wide, shape.hidden), weight(shape.hidden, shape.wide)
    x = weight(tokens, shape.hidden)
    columns = torch.randperm(shape.wide, generator=g)[: shape.edited].to(device)
    add, scale = random(_ROWS, shape.edited), random(_ROWS, shape.edited)
    key, value = (random(_MEMORIES, shape.hidden) for _ in range(2))
    bias, on = random(_MEMORIES), (random(_ROWS, _MEMORIES) > 1).float()
    row = torch.randint(1, _ROWS, (tokens,), generator=g).to(device)
    strength = torch.ones(tokens, device=device)

    def neurons() -> Tensor:
        gate, up = functional.linear(x, gate_up).chunk(2, dim=-1)
        return functional.silu(gate) * up

    def plain() -> Tensor:
        return functional.linear(neurons(), down)

    def with_neurons() -> Tensor:
        y = edit_neurons(neurons(), columns, add, scale, row, strength)
        return functional.linear(y, down)

    def with_offset() -> Tensor:
        return edit_output(plain(), on, value, row, strength)

    def with_memory() -> Tensor:
        gains = memory_gains(x, key, bias)
        return edit_output(plain(), on, value, row, strength, gains)

    with torch.inference_mode():
        before = _ready(plain, device)
        return [
            _cost(name, tokens, edit, before, _ready(edited, device), rounds, device)
            for edit, edited in (
                ("neurons", with_neurons),
                ("offsets", with_offset),
                ("memories", with_memory),
            )
        ]


def _ready(function: Callable[[], Tensor], device: str) -> Callable[[], object]:
    """The function as vLLM would run it; warm."""
    compiled = torch.compile(function)
    for _ in range(3):
        compiled()
    if device != "cuda":
        return compiled
    # Kernels are tuned and memory has been found by now; a capture allows neither.
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        compiled()
    return graph.replay


def _cost(
    name: str,
    tokens: int,
    edit: str,
    plain: Callable[[], object],
    edited: Callable[[], object],
    rounds: int,
    device: str,
) -> Cost:
    compared = compare(lambda: _seconds(edited, device), lambda: _seconds(plain, device), rounds)
    low, high = compared.spread
    plain_us, edited_us = (statistics.median(t) * 1e6 for t in (compared.second, compared.first))
    return Cost(
        shape=name,
        tokens=tokens,
        edit=edit,
        plain_us=round(plain_us, 1),
        edited_us=round(edited_us, 1),
        ratio=round(compared.ratio, 3),
        lowest=round(low, 3),
        highest=round(high, 3),
    )


def _seconds(function: Callable[[], object], device: str, repeats: int = 10) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every shape and print a table, or JSON."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # A layer of the largest takes a CPU seconds.
    usual = [name for name in SHAPES if device == "cuda" or name != "llama-3-70b"]
    parser = argparse.ArgumentParser(description="Cost of the edit on one feed-forward layer.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--rounds", type=int, default=30, help="interleaved rounds (default 30)")
    parser.add_argument("--shapes", default=",".join(usual), help=f"of {', '.join(SHAPES)}")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    shapes = options.shapes.split(",")
    if unknown := [name for name in shapes if name not in SHAPES]:
        parser.error(f"--shapes {', '.join(unknown)}: choose from {', '.join(SHAPES)}")
    costs = [
        cost
        for shape in shapes
        for tokens in _TOKENS
        for cost in measure(shape, tokens, rounds=options.rounds, device=device)
    ]
    if options.json:
        print(json.dumps({"device": device, "costs": [asdict(cost) for cost in costs]}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"One feed-forward layer on {device}, {options.rounds} interleaved rounds")
    for heading in ("shape", "tokens", "edit", "plain µs", "edited µs", "ratio", "of a round"):
        table.add_column(heading, justify="left" if heading in ("shape", "edit") else "right")
    for c in costs:
        table.add_row(
            c.shape,
            str(c.tokens),
            c.edit,
            f"{c.plain_us:.1f}",
            f"{c.edited_us:.1f}",
            f"{c.ratio:.3f}",
            f"{c.lowest:.3f}-{c.highest:.3f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
