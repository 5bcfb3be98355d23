"""Plots of an evaluation, as PNG and SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from profiles.judging.table import method_label, short
from profiles.pictures import plt, save

# Beyond a factor of 16 the text is lost; how far beyond is no news.
_REACH = 4.0


def draw(result: Mapping[str, Any], out: Path) -> list[Path]:
    """Draw what the evaluation has; returns the files.

    success: by condition and method, with confidence intervals. damage-<role>: perplexity of
    each language's text under each language's edit. fluency: success against bits per byte.
    """
    means = [row for row in result["averages"] if row["role"] == "target"]
    files = []
    if means:
        files += save(_success(means), out / "success")
        if any(row["bits_ratio_own"] for row in means):
            files += save(_fluency(means), out / "fluency")
    for role in ("target", "suppress"):
        rows = [r for r in result["damage"] if r["role"] == role and r["method"] == "steered"]
        if rows:
            files += save(_damage(rows, role), out / f"damage-{role}")
    return files


def _success(means: Sequence[Mapping[str, Any]]) -> Any:
    conditions = [*dict.fromkeys(row["condition"] for row in means)]
    methods = [*dict.fromkeys(method_label(row) for row in means)]
    figure, axes = plt.subplots(figsize=(2 + 1.6 * len(conditions), 4), layout="constrained")
    width = 0.8 / len(methods)
    for n, method in enumerate(methods):
        rows = [r for r in means if method_label(r) == method and r["success"]]
        at = [conditions.index(r["condition"]) + (n - (len(methods) - 1) / 2) * width for r in rows]
        values = np.array([r["success"]["value"] for r in rows])
        spread = [
            values - [r["success"]["low"] for r in rows],
            np.array([r["success"]["high"] for r in rows]) - values,
        ]
        # Rounded bounds may lie a hair within the value.
        spread = [np.maximum(side, 0) * 100 for side in spread]
        axes.bar(at, values * 100, width, yerr=spread, capsize=2, label=method)
    axes.set_xticks(range(len(conditions)), conditions)
    axes.set_ylim(0, 100)
    axes.set_ylabel("success, % (95% interval)")
    axes.legend(fontsize="small", ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.1))
    return figure


def _fluency(means: Sequence[Mapping[str, Any]]) -> Any:
    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    methods = [*dict.fromkeys(method_label(row) for row in means)]
    markers = "os^Dv<>P*X"
    conditions = [*dict.fromkeys(row["condition"] for row in means)]
    for n, method in enumerate(methods):
        for k, condition in enumerate(conditions):
            rows = [
                r
                for r in means
                if method_label(r) == method
                and r["condition"] == condition
                and r["bits_ratio_own"]
                and r["success"]
            ]
            axes.scatter(
                [r["bits_ratio_own"] for r in rows],
                [100 * r["success"]["value"] for r in rows],
                color=f"C{n % 10}",
                marker=markers[k % len(markers)],
                label=method if k == 0 else None,
            )
    for k, condition in enumerate(conditions):
        axes.scatter([], [], color="grey", marker=markers[k % len(markers)], label=condition)
    axes.axvline(1.0, color="grey", linewidth=0.8)
    axes.set_xlabel("bits per byte, × natural text of the output's language (right: less fluent)")
    axes.set_ylabel("success, %")
    axes.set_ylim(-3, 103)
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _damage(rows: Sequence[Mapping[str, Any]], role: str) -> Any:
    languages = [*rows[0]["ratios"]]
    grid = np.array([[row["ratios"][tag]["value"] for tag in languages] for row in rows])
    labels = [f"{row['language']} × {row['strength']:g}" for row in rows]
    size = (2 + 0.6 * len(languages), 1.5 + 0.45 * len(rows))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    # Logarithmic around 1, so that half and double are as far from white.
    reach = float(np.clip(np.abs(np.log2(grid)).max(), 0.1, _REACH))
    image = axes.imshow(np.log2(grid), cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
    for y, x in np.ndindex(grid.shape):
        dark = abs(np.log2(grid[y, x])) > 0.6 * reach
        color = "white" if dark else "black"
        axes.text(x, y, short(float(grid[y, x])), ha="center", va="center", fontsize=8, color=color)
    axes.set_xticks(range(len(languages)), languages)
    axes.set_yticks(range(len(rows)), labels)
    axes.set_xlabel("language of the text")
    axes.set_ylabel("steered to" if role == "target" else "suppressed")
    axes.set_title("Perplexity, edited / unedited", fontsize="medium")
    figure.colorbar(image, label="log2 ratio")
    return figure
