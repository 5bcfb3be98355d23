"""What the edit itself costs: one feed-forward layer with and without it, interleaved.

`python -m steering.bench [--json] [--rounds N]`. Plain torch, no vLLM, on the CPU or, where
there is one, the GPU. It bounds the cost from above: attention, norms, the vocabulary
projection and the server are not in the denominator.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional

from steering.edit import edit_neurons, edit_output

_ROWS = 65
# name: (hidden size, intermediate size, edited columns): 1% of the neurons are edited.
_SHAPES = {"gemma-3-270m": (640, 2048, 32), "llama-3-8b": (4096, 14336, 144)}
_TOKENS = (1, 32, 256)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Time of one layer without and with an edit.

    Attributes:
        shape, tokens, edit: what was measured.
        plain_us, edited_us: medians, microseconds.
        ratio: edited over plain, of medians.
        ratio_low, ratio_high: quartiles of the ratio over rounds.
    """

    shape: str
    tokens: int
    edit: str
    plain_us: float
    edited_us: float
    ratio: float
    ratio_low: float
    ratio_high: float


def measure(shape: str, tokens: int, *, rounds: int, device: str) -> list[Cost]:
    """Costs of the neuron edit and of the output offset for one shape and batch size."""
    hidden, wide, edited = _SHAPES[shape]
    dtype = torch.bfloat16
    g = torch.Generator().manual_seed(0)

    def random(*size: int) -> Tensor:
        return torch.randn(*size, generator=g).to(device)

    gate_up, down = random(2 * wide, hidden).to(dtype), random(hidden, wide).to(dtype)
    x = random(tokens, hidden).to(dtype)
    columns = torch.randperm(wide, generator=g)[:edited].to(device)
    add, scale, offset = random(_ROWS, edited), random(_ROWS, edited), random(_ROWS, hidden)
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
        return edit_output(plain(), offset, row, strength)

    return [
        _compare(shape, tokens, "neurons", plain, with_neurons, rounds, device),
        _compare(shape, tokens, "offset", plain, with_offset, rounds, device),
    ]


def _compare(
    shape: str,
    tokens: int,
    edit: str,
    plain: Callable[[], Tensor],
    edited: Callable[[], Tensor],
    rounds: int,
    device: str,
) -> Cost:
    for function in (plain, edited):
        _seconds(function, device)
    # Each round times both, one after the other: drift of a noisy machine hits both alike.
    pairs = [(_seconds(plain, device), _seconds(edited, device)) for _ in range(rounds)]
    before, after = (statistics.median(times) for times in zip(*pairs, strict=True))
    low, _, high = statistics.quantiles([b / a for a, b in pairs], n=4)
    return Cost(
        shape=shape,
        tokens=tokens,
        edit=edit,
        plain_us=round(before * 1e6, 1),
        edited_us=round(after * 1e6, 1),
        ratio=round(after / before, 3),
        ratio_low=round(low, 3),
        ratio_high=round(high, 3),
    )


def _seconds(function: Callable[[], Tensor], device: str, repeats: int = 10) -> float:
    with torch.inference_mode():
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(repeats):
            function()
        if device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / repeats


def main() -> None:
    """Measure every shape and print a table, or JSON."""
    parser = argparse.ArgumentParser(description="Cost of the edit on one feed-forward layer.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--rounds", type=int, default=30, help="interleaved rounds (default 30)")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds must be at least 2: quartiles need them")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    costs = [
        cost
        for shape in _SHAPES
        for tokens in _TOKENS
        for cost in measure(shape, tokens, rounds=options.rounds, device=device)
    ]
    if options.json:
        print(json.dumps({"device": device, "costs": [asdict(cost) for cost in costs]}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"One feed-forward layer on {device}, {options.rounds} interleaved rounds")
    for heading in ("shape", "tokens", "edit", "plain µs", "edited µs", "ratio", "quartiles"):
        table.add_column(heading, justify="left" if heading in ("shape", "edit") else "right")
    for c in costs:
        quartiles = f"{c.ratio_low:.3f}-{c.ratio_high:.3f}"
        table.add_row(
            c.shape,
            str(c.tokens),
            c.edit,
            f"{c.plain_us:.1f}",
            f"{c.edited_us:.1f}",
            f"{c.ratio:.3f}",
            quartiles,
        )
    Console().print(table)


if __name__ == "__main__":
    main()
