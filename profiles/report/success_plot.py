"""Success by condition and method, with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from profiles.judging.table import method_label
from profiles.report.figure import SERIES, Drawing
from profiles.report.plain import plain

_MARKERS = "osD^vP*"


def draw_success(key: str, role: str, means: Sequence[Mapping[str, Any]]) -> str:
    """Means over languages, as SVG.

    Args:
        key: begins the element ids.
        role: "target" for success, "suppress" for the share still in the denied language.
        means: the evaluation's averages of that role.
    """
    measure = "success" if role == "target" else "denied"
    rows = [row for row in means if row[measure] and row[measure]["low"] is not None]
    conditions = [*dict.fromkeys(row["condition"] for row in rows)]
    methods = [*dict.fromkeys(method_label(row) for row in rows)]
    legend = 0.2 * -(-len(methods) // 2)
    height = 0.75 + legend + len(conditions) * (0.24 + 0.11 * len(methods))
    with Drawing(6.2, height, (1.35, 0.15, 0.5, legend + 0.12)) as drawing:
        axes = drawing.axes
        for n, method in enumerate(methods):
            own = [row for row in rows if method_label(row) == method]
            shift = (n - (len(methods) - 1) / 2) * 0.75 / len(methods)
            y = [conditions.index(row["condition"]) + shift for row in own]
            x = [100 * row[measure]["value"] for row in own]
            spread = [
                [max(0.0, a - 100 * row[measure]["low"]) for a, row in zip(x, own, strict=True)],
                [max(0.0, 100 * row[measure]["high"] - a) for a, row in zip(x, own, strict=True)],
            ]
            axes.errorbar(
                x,
                y,
                xerr=spread,
                fmt=_MARKERS[n % len(_MARKERS)],
                color=SERIES[n % len(SERIES)],
                mfc=SERIES[n % len(SERIES)] if n < len(SERIES) else "none",
                ms=5,
                lw=1.2,
                label=plain(method),
            )
        axes.set_yticks(range(len(conditions)), [plain(name) for name in conditions])
        axes.set_ylim(len(conditions) - 0.5, -0.5)
        axes.set_xlim(-2, 102)
        axes.grid(visible=False, axis="y")
        for line in range(1, len(conditions)):
            axes.axhline(line - 0.5, color=axes.spines["left"].get_edgecolor(), lw=0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"{measure}, % of the outputs, with 95% interval")
        axes.legend(loc="lower left", bbox_to_anchor=(-0.2, 1.0), ncols=2, borderpad=0)
        said = "; ".join(
            f"{row['condition']}, {method_label(row)}: {row[measure]['value']:.0%}" for row in rows
        )
        return drawing.svg(key, f"Mean {measure} by condition and method. {said}.")
