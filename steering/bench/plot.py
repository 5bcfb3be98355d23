"""A benchmark's ratios, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from profiles.pictures import plt, save
from steering.bench.arms import STOCK
from steering.bench.bench import MEASURES

_TITLES = {
    "throughput": "throughput (right: more)",
    "ttft": "time to first token (right: slower)",
    "itl": "time between tokens (right: slower)",
}


def draw(result: Mapping[str, Any], stem: Path) -> list[Path]:
    """One panel a measure: each arm's ratio to stock, its rounds as dots; returns the files."""
    rows = [row for row in result["rows"] if row["arm"] != STOCK]
    labels = [f"{row['workload']}: {row['arm']}" for row in rows]
    stock = {r["workload"]: r for r in result["rows"] if r["arm"] == STOCK}
    figure, panels = plt.subplots(
        1, len(MEASURES), figsize=(13, 1.2 + 0.35 * len(rows)), sharey=True, layout="constrained"
    )
    for measure, axes in zip(MEASURES, panels, strict=True):
        for y, row in enumerate(rows):
            base = stock[row["workload"]][measure]["rounds"]
            dots = [a / b for a, b in zip(row[measure]["rounds"], base, strict=True)]
            axes.plot(dots, [y] * len(dots), "o", color="C0", alpha=0.3, markersize=4)
            axes.plot([row[measure]["ratio"]], [y], "D", color="C0", markersize=7)
        axes.axvline(1.0, color="grey", linewidth=0.8)
        axes.set_title(_TITLES[measure], fontsize="medium")
        axes.set_xlabel("× stock vLLM")
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(rows)), labels)
    panels[0].invert_yaxis()
    figure.suptitle(
        f"{result['model']}: {result['rounds']} rounds of {result['requests']} requests "
        f"on {result['device']}"
    )
    return save(figure, stem)
