"""Plots of what `langsteer layers` found, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from profiles.inside.layers.readings import HALVES
from profiles.inside.layers.words import SPECIFIC_AT
from profiles.pictures import plt

_PAIRS = ("correlation", "language-gap", "jaccard")
_ENDS = ("input", "middle", "output")


def draw_layers(facts: Mapping[str, Any], out: Path) -> list[Path]:
    """Draw into folder `out`; returns the files.

    specificity: every measure by layer, from its least to its most specific one, with the verdict.
    detectors, combinators: every measure's values with intervals. pairs: language by language.
    """
    files = [_save(_specificity(facts), out / "specificity.png")]
    files += [_save(_curves(facts, half), out / f"{half}.png") for half in HALVES]
    return [*files, _save(_pairs(facts), out / "pairs.png")]


def _save(figure: Any, file: Path) -> Path:
    """In one step: a reader never meets half a picture."""
    draft = file.with_name(f".{file.name}.part")
    try:
        figure.savefig(draft, dpi=120, format="png")
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
        plt.close(figure)
    return file


def _specificity(facts: Mapping[str, Any]) -> Any:
    rows = [row for row in facts["measures"] if "index" in row]
    model = facts["model"]["name"]
    layers = facts["layers"]
    size = (5.2 + 0.32 * layers, 1.4 + 0.3 * len(rows))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    image = axes.imshow(
        np.array([row["index"] for row in rows]), cmap="viridis", vmin=0, vmax=1, aspect="auto"
    )
    axes.set_yticks(range(len(rows)), [f"{row['half']}: {row['title']}" for row in rows])
    _label_layers(axes, layers)
    for line in _borders(facts):
        axes.axvline(line, color="white", linewidth=2)
    for y, row in enumerate(rows):
        said = SPECIFIC_AT.get(row.get("verdict", ""), row.get("verdict", ""))
        axes.text(layers - 0.3, y, said, va="center", fontsize=8, clip_on=False)
    axes.set_title(
        f"Language specificity by layer: {model}\nRight: which end is more "
        "specific than the middle, 95% intervals",
        fontsize="medium",
    )
    bar = figure.colorbar(image, location="right", pad=0.1, ticks=[0, 1])
    bar.ax.set_yticklabels(["least", "most"])
    bar.set_label("specific, of all layers")
    return figure


def _curves(facts: Mapping[str, Any], half: str) -> Any:
    rows = [row for row in facts["measures"] if row["half"] == half]
    model = facts["model"]["name"]
    columns = 3
    lines = -(-len(rows) // columns)
    figure, grid = plt.subplots(
        lines, columns, figsize=(4.2 * columns, 2.6 * lines), layout="constrained", squeeze=False
    )
    x = np.arange(facts["layers"])
    for axes, row in zip(grid.flat, rows, strict=False):
        if len(row["groups"]) > 1:
            for group in row["by_group"].values():
                axes.plot(x, group["value"], color="C0", alpha=0.18, linewidth=0.7)
        found = row["layers"]
        axes.fill_between(x, found["low"], found["high"], color="C0", alpha=0.35, linewidth=0)
        axes.plot(x, found["value"], color="C0", marker="o", markersize=3)
        for border in _borders(facts):
            axes.axvline(border, color="grey", linewidth=0.8, linestyle=":")
        said = {1: "up: more specific", -1: "down: more specific", 0: "a level"}[row["specific"]]
        axes.set_title(f"{row['title']} ({said})", fontsize="small")
        _label_layers(axes, facts["layers"])
    for axes in [*grid.flat][len(rows) :]:
        axes.set_visible(False)
    figure.suptitle(
        f"{model}, {half}: mean with 95% interval; faint: each language or pair",
        fontsize="medium",
    )
    return figure


def _pairs(facts: Mapping[str, Any]) -> Any:
    tags = facts["languages"]
    rows = [
        row for row in facts["measures"] if row["name"] in _PAIRS and row["half"] == "detectors"
    ]
    ends = [end for end in _ENDS if facts["quarters"][end]]
    size = 0.9 + 0.38 * len(tags)
    figure, grid = plt.subplots(
        len(rows),
        len(ends),
        figsize=(len(ends) * (size + 0.6), len(rows) * size),
        layout="constrained",
        squeeze=False,
    )
    for line, row in zip(grid, rows, strict=True):
        grids = [_square(row, tags, facts["quarters"][end]) for end in ends]
        low, high = np.nanmin(grids), np.nanmax(grids)
        for axes, end, values in zip(line, ends, grids, strict=True):
            image = axes.imshow(values, cmap="viridis", vmin=low, vmax=high)
            axes.set_xticks(range(len(tags)), tags, fontsize=7, rotation=90 * (len(tags) > 8))
            axes.set_yticks(range(len(tags)), tags, fontsize=7)
            axes.set_title(f"{row['title']}\n{end} layers", fontsize="x-small")
        figure.colorbar(image, ax=list(line), shrink=0.8)
    return figure


def _square(row: Mapping[str, Any], tags: Sequence[str], layers: Sequence[int]) -> Any:
    out = np.full((len(tags), len(tags)), np.nan)
    for group, found in row["by_group"].items():
        a, b = (tags.index(tag) for tag in group.split("/"))
        out[a, b] = out[b, a] = np.mean([found["value"][layer] for layer in layers])
    return out


def _borders(facts: Mapping[str, Any]) -> list[float]:
    """Where the middle begins and ends."""
    middle = facts["quarters"]["middle"]
    return [middle[0] - 0.5, middle[-1] + 0.5] if middle else []


def _label_layers(axes: Any, layers: int) -> None:
    every = 1 if layers <= 20 else 2 if layers <= 40 else 5
    axes.set_xticks(range(0, layers, every), [str(n) for n in range(0, layers, every)], fontsize=7)
    axes.set_xlabel("layer", fontsize="small")
