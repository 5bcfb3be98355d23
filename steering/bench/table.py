"""A benchmark's result on screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from steering.bench.bench import MEASURES

_HEADINGS = {"throughput": "throughput", "ttft": "first token", "itl": "between tokens"}


def show(result: Mapping[str, Any]) -> None:
    """Ratios to stock vLLM with the lowest and highest of a round, and medians."""
    console = Console()
    table = Table(
        title=f"{result['model']}, {result['rounds']} rounds of {result['requests']} requests, "
        f"{result['device']}, {result['dtype']}, {'compiled' if result['compiled'] else 'eager'}",
        caption="Ratio of medians to stock vLLM (lowest and highest of a round), then the median. "
        "Throughput: more is better; times: less.",
    )
    for name in ("workload", "arm", *(_HEADINGS[measure] for measure in MEASURES)):
        table.add_column(name)
    last = ""
    for row in result["rows"]:
        if last and row["workload"] != last:
            table.add_section()
        cells = [_cell(measure, row[measure]) for measure in MEASURES]
        table.add_row(row["workload"] if row["workload"] != last else "", row["arm"], *cells)
        last = row["workload"]
    console.print(table)
    console.print("Throughput beside stock over all batches, with two standard errors:")
    for each in result["overall"]:
        error = "" if each["error"] is None else f" ± {each['error']:.3f}"
        console.print(f"  {each['arm']}: {each['ratio']:.3f}{error} ({each['batches']} batches)")
    for arm in result["arms"]:
        console.print(f"{arm['name']}: {arm['about']}")
    for name, memory in result["memory"].items():
        blocks = f", {memory['kv_blocks']} KV blocks" if memory["kv_blocks"] else ""
        console.print(f"Memory of {name}: {memory['bytes'] / 2**20:.0f} MiB{blocks}")
    tables = result["tables"]
    console.print(
        f"Of it the tables: {tables['bytes'] / 2**20:.1f} MiB for {tables['rows']} rows and "
        f"{tables['columns']} edited neurons, {tables['memories']} memories a layer"
    )


def _cell(measure: str, found: Mapping[str, Any]) -> str:
    median = found["median"]
    said = f"{median:.0f} tokens/s" if measure == "throughput" else f"{1000 * median:.1f} ms"
    spread = f"{found['lowest']:.3f}-{found['highest']:.3f}"
    return f"{found['ratio']:.3f} ({spread}) {said}"
