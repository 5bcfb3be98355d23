"""Memories by layer as files: agreement and composition, refinement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from profiles.pictures import plt, save


def draw_model(facts: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the plots of `model_account` into `folder`; returns the files.

    Args:
        facts: with the model's name under "model".
        folder: made where it is missing.
    """
    rows = facts["layers"]
    refined = [row["refinement"] for row in rows]
    files = _lines(
        folder / "refinement",
        f"{facts['model']}: the final prediction in the residual stream",
        {
            "ranked first, before the layer's FFN": [r["before_is_final"] for r in refined],
            "ranked first, after it": [r["after_is_final"] for r in refined],
            "mean probability, after it": [r["after_probability"] for r in refined],
        },
    )
    composed = [row["composition"] for row in rows]
    series = {
        "output agrees with no memory": [c["agrees_with_no_memory"] for c in composed],
        "output agrees with the largest": [c["agrees_with_largest"] for c in composed],
        "sum's first token is neither's": [r["from_neither"] for r in refined],
    }
    files += _lines(folder / "composition", f"{facts['model']}: how layers compose", series)
    if agreed := [row["agreement"] for row in rows if row["agreement"]]:
        series = {
            "+v and the highest trigger": [a["promotes"]["first"] for a in agreed],
            "−v and the most negative one": [a["demotes"]["first"] for a in agreed],
            "another neuron's trigger": [a["promotes"]["by_chance"] for a in agreed],
        }
        title = f"{facts['model']}: values that promote what follows their trigger"
        files += _lines(folder / "agreement", title, series)
    return files


def _lines(stem: Path, title: str, series: Mapping[str, Sequence[float | None]]) -> list[Path]:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, values in series.items():
        if all(value is not None for value in values):
            axes.plot([100 * (value or 0) for value in values], marker="o", ms=3, label=name)
    axes.set_title(title)
    axes.xaxis.get_major_locator().set_params(integer=True)  # there is no layer 2.5
    axes.set_xlabel("layer")
    axes.set_ylabel("%")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    return save(figure, stem)
