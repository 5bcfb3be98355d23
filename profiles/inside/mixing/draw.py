"""Pictures of a study, as PNG: maps of layers scope by scope, and layers beside each other."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from profiles.inside.mixing.labels import fonts, token_labels
from profiles.inside.mixing.maps import LayerMaps
from profiles.inside.mixing.measures import shares
from profiles.inside.mixing.scopes import TITLES
from profiles.inside.mixing.study import Study
from profiles.pictures import plt
from profiles.report.write import write_bytes

# More tokens' labels could not be read.
_LABELLED = 64
_PAIRS = 3
_MARK = "#ff5a4d"  # seen on every colour of the map
_LEGEND = "red, on + FF: ○ the pairs that the FF amplifies most, × those it reduces most"
_STEPS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)


def draw(study: Study, out: Path) -> list[Path]:
    """Write maps-layer-<n>.png of the study's drawn layers, and layers.png; returns the files.

    In a row of a map is what reaches a target: a row sums to one, so that the first token, whose
    norm is often many times the others', leaves them something to see. Own tokens saturate. Of the
    map after the FF, circles mark the pairs it amplified most, crosses those it reduced most.
    """
    facts = study.facts
    files = []
    with mpl.rc_context({"font.family": fonts()}):
        for n in facts["drawn"]:
            rows = [("unsteered", study.unsteered[n], facts["layers"][n])]
            if study.steered:
                rows.append(("steered", study.steered[n], facts["steered"]["layers"][n]))
            files.append(_save(_maps(rows, facts), out / f"maps-layer-{n:02}.png"))
        files.append(_save(_layers(facts), out / "layers.png"))
    return files


def _maps(rows: Sequence[tuple[str, LayerMaps, Any]], facts: Mapping[str, Any]) -> Any:
    tokens = facts["tokens"]
    scopes = facts["scopes"]
    side = 1.3 + min(len(tokens), _LABELLED) * 0.09
    figure, grid = plt.subplots(
        len(rows),
        len(scopes),
        figsize=(side * len(scopes) + 0.8, (side + 0.6) * len(rows) + 0.4),
        squeeze=False,
        layout="constrained",
    )
    labels = token_labels(tokens) if len(tokens) <= _LABELLED else None
    # A target's own token outweighs its context by far: colours follow the square root, and end
    # where the context does.
    context = [np.tril(shares(maps.norms), -1).max() for _, maps, _ in rows]
    most = float(np.sqrt(max(*context, 0.01)))
    for axes_row, (name, maps, row) in zip(grid, rows, strict=True):
        for axes, scope in zip(axes_row, scopes, strict=True):
            share = shares(maps.scope(scope))
            share[np.triu_indices(len(share), 1)] = np.nan
            image = axes.imshow(np.sqrt(share), vmin=0, vmax=most, cmap="viridis", aspect="equal")
            ratio = row["mixing_ratio"][scope]
            axes.set_title(f"{name}, {TITLES[scope]}\nmixing ratio {ratio:.2f}", fontsize=8)
            if scope == "ff":
                _mark(axes, row["pairs"]["ff"])
            _ticks(axes, labels, first=scope == scopes[0])
    bar = figure.colorbar(image, ax=grid, extend="max", shrink=0.7, aspect=40, pad=0.01)
    steps = [step for step in _STEPS if step <= most**2]
    bar.set_ticks(np.sqrt(steps), labels=[f"{step:.0%}" for step in steps], fontsize=7)
    says = (
        f"{facts['model']['name']}, layer {rows[0][1].layer}: share of each source (column) in "
        f"what reaches a target (row)\n{_LEGEND}"
    )
    lost = labels is not None and any("·" in label for label in labels)
    figure.suptitle(f"{says}; · a letter that no installed font has" if lost else says, fontsize=9)
    return figure


def _mark(axes: Any, pairs: Mapping[str, Any]) -> None:
    for kind, marker in (("amplified", "o"), ("reduced", "x")):
        at = [(pair["source"], pair["target"]) for pair in pairs[kind][:_PAIRS]]
        if at:
            x, y = zip(*at, strict=True)
            style = {"facecolors": "none", "edgecolors": _MARK} if marker == "o" else {"c": _MARK}
            axes.scatter(x, y, s=26, marker=marker, linewidths=1.3, **style)


def _ticks(axes: Any, labels: Sequence[str] | None, *, first: bool) -> None:
    axes.tick_params(length=0)
    if labels is None:
        return
    axes.set_xticks(range(len(labels)), labels, fontsize=5, rotation=90)
    axes.set_yticks(range(len(labels)), labels if first else [], fontsize=5)


def _layers(facts: Mapping[str, Any]) -> Any:
    rows, steered = facts["layers"], facts["steered"]
    figure, axes = plt.subplots(
        1, 3 if steered else 2, figsize=(14 if steered else 9.5, 3.6), layout="constrained"
    )
    at = [row["layer"] for row in rows]
    for n, scope in enumerate(facts["scopes"]):
        color = f"C{n}"
        title = TITLES[scope]
        axes[0].plot(at, [row["mixing_ratio"][scope] for row in rows], color=color, label=title)
        if scope != "attention":
            values = [row["change"][scope] for row in rows]
            axes[1].plot(at, _numbers(values), color=color, label=title)
        if steered:
            after = [row["mixing_ratio"][scope] for row in steered["layers"]]
            axes[0].plot(at, after, color=color, linestyle="--")
            values = [row["change"][scope] for row in steered["disturbance"]]
            axes[2].plot(at, _numbers(values), color=color, label=title)
    axes[0].set_title("mixing ratio" + (" (dashed: steered)" if steered else ""), fontsize=9)
    axes[1].set_title("change of the map from the scope before, unsteered", fontsize=9)
    if steered:
        axes[2].set_title(f"change of the map by {steered['profile']}", fontsize=9)
    for each in axes:
        each.set_xlabel("layer")
        each.xaxis.get_major_locator().set_params(integer=True)
        each.set_ylim(bottom=0)
        each.legend(fontsize=7)
    for each in axes[1:]:
        each.set_ylabel("1 − Spearman")
    return figure


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _save(figure: Any, file: Path) -> Path:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    plt.close(figure)
    write_bytes(file, buffer.getvalue())
    return file
