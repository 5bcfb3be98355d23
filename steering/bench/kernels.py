"""What torch.compile makes of the edit: kernels a layer, and whether it stays one graph.

`python -m steering.bench.kernels [--json]`. Compiles a feed-forward layer with and without edits
and counts what the compiler generated: true of this device and torch, and of no time
(`steering.bench.edit` takes that).
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional

from steering.edit import edit_neurons, edit_output, memory_gains

_HIDDEN, _WIDE, _ROWS, _COLUMNS, _MEMORIES, _TOKENS = 128, 512, 9, 32, 16, 48
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": functional.silu,
    "gelu": lambda x: functional.gelu(x, approximate="tanh"),
}
EDITS = ("none", "neurons", "offsets", "memories", "both")


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """What one layer is compiled to.

    Attributes:
        activation: of the gated FFN.
        edit: what is added to it.
        fused: kernels the compiler generated.
        launched: compiled functions that they are in. On a GPU one each.
        calls: of library kernels, the matrix products.
        buffers: allocated for a forward pass, out of the compiler's pool.
        graphs: 1, or the edit broke the graph.
    """

    activation: str
    edit: str
    fused: int
    launched: int
    calls: int
    buffers: int
    graphs: int


def count(activation: str, edit: str, device: str = "cpu") -> Kernels:
    """Compile one layer, for any number of tokens, and count."""
    from torch._dynamo.utils import counters
    from torch._inductor import metrics
    from torch._inductor.utils import run_and_get_code

    torch._dynamo.reset()
    metrics.reset()
    counters.clear()
    layer, inputs = _layer(_ACTIVATIONS[activation], edit, device)
    for tokens in inputs[:2]:
        torch._dynamo.mark_dynamic(tokens, 0)
    with torch.no_grad():
        _, written = run_and_get_code(torch.compile(layer), *inputs)
    code = "".join(written)
    return Kernels(
        activation=activation,
        edit=edit,
        fused=metrics.generated_kernel_count,
        launched=len(re.findall(r"async_compile\.(?:cpp\w*|triton)\(", code)),
        calls=len(re.findall(r"extern_kernels\.\w+\(", code)),
        buffers=len(re.findall(r"= empty_strided\w*\(", code)),
        graphs=int(counters["stats"]["unique_graphs"]),
    )


def _layer(
    act: Callable[[Tensor], Tensor], edit: str, device: str
) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    g = torch.Generator().manual_seed(0)

    def random(*size: int) -> Tensor:
        return torch.randn(*size, generator=g).to(device)

    gate_up = random(2 * _WIDE, _HIDDEN).to(torch.bfloat16)
    down = random(_HIDDEN, _WIDE).to(torch.bfloat16)
    norm = random(_HIDDEN).to(torch.bfloat16)
    columns = torch.randperm(_WIDE, generator=g)[:_COLUMNS].to(device)
    add, scale = random(_ROWS, _COLUMNS), random(_ROWS, _COLUMNS)
    key, value = (random(_MEMORIES, _HIDDEN) for _ in range(2))
    bias, on = random(_MEMORIES), random(_ROWS, _MEMORIES)

    def layer(x: Tensor, residual: Tensor, row: Tensor, strength: Tensor) -> Tensor:
        rows, strengths = row[: x.shape[0]], strength[: x.shape[0]]
        # What precedes in a decoder, and what memories' keys may be fused with.
        x = functional.rms_norm(x, (_HIDDEN,), norm)
        gains = memory_gains(x, key, bias) if edit in ("memories", "both") else None
        gate, up = functional.linear(x, gate_up).chunk(2, dim=-1)
        y = act(gate) * up
        if edit in ("neurons", "both"):
            y = edit_neurons(y, columns, add, scale, rows, strengths)
        h = functional.linear(y, down)
        if edit in ("offsets", "memories", "both"):
            h = edit_output(h, on, value, rows, strengths, gains)
        # What follows in a decoder, and what the sum may be fused with.
        return functional.rms_norm(residual + h, (_HIDDEN,), norm)

    x, residual = random(_TOKENS, _HIDDEN), random(_TOKENS, _HIDDEN)
    row = torch.randint(0, _ROWS, (2 * _TOKENS,), generator=g).to(device)
    strength = torch.ones(2 * _TOKENS, device=device)
    return layer, (x.to(torch.bfloat16), residual.to(torch.bfloat16), row, strength)


def main() -> None:
    """Count for both activations and all edits; print a table, or JSON."""
    parser = argparse.ArgumentParser(description="What torch.compile makes of the edit.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = [count(activation, edit, device) for activation in _ACTIVATIONS for edit in EDITS]
    if options.json:
        print(json.dumps({"device": device, "kernels": [asdict(each) for each in found]}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"One feed-forward layer between two norms, compiled for {device}")
    for heading in ("activation", "edit", "kernels", "launched", "library", "buffers", "graphs"):
        table.add_column(heading)
    for each in found:
        table.add_row(*map(str, asdict(each).values()))
    Console().print(table)


if __name__ == "__main__":
    main()
