"""Every plot of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from profiles.report.account import ROLES
from profiles.report.curve_plot import draw_curves
from profiles.report.frontier_plot import draw_frontier
from profiles.report.heatmap_plot import draw_heatmap
from profiles.report.histogram_plot import draw_histogram
from profiles.report.success_plot import draw_success

TOWARDS = {"target": "towards the language", "suppress": "away from it"}


def draw_plots(data: Mapping[str, Any]) -> dict[str, Any]:
    """By section, SVG elements: heatmaps [(caption, svg, rows)], the others by role and language.

    Args:
        data: see `account`.
    """
    rows = data["profiles"]
    frontiers: dict[str, dict[str, Any]] = {role: {} for role in ROLES}
    curves: dict[str, dict[str, Any]] = {role: {} for role in ROLES}
    histograms = {}
    for row in rows:
        language = row["language"]
        for role in ROLES:
            name, key = f"{language}, {TOWARDS[role]}", f"{role[0]}-{language}"
            if found := row["calibrations"].get(role):
                drawn = draw_frontier(f"f-{key}", name, found)
                frontiers[role][language] = {k: Markup(v) for k, v in drawn.items()}
            if stages := row["curves"].get(role):
                curves[role][language] = Markup(draw_curves(f"c-{key}", name, stages))
        if row["scores"] and sum(row["scores"]["histogram"]["counts"]):
            histograms[language] = Markup(draw_histogram(f"h-{language}", language, row["scores"]))
    success = {}
    for role in ROLES:
        measure = "success" if role == "target" else "denied"
        means = (data["evaluation"] or {"averages": []})["averages"]
        mine = [m for m in means if m["role"] == role and (m[measure] or {}).get("low") is not None]
        if mine:
            success[role] = Markup(draw_success(f"e-{role}", role, mine))
    return {
        "heatmaps": _heatmaps(data["neurons"]),
        "frontiers": frontiers,
        "curves": curves,
        "histograms": histograms,
        "success": success,
    }


def _heatmaps(neurons: Mapping[str, Any]) -> list[dict[str, Any]]:
    kinds = [("Language neurons: the best detectors each profile lists", neurons["listed"])]
    for role in ROLES:
        kinds += [
            (f"Neurons edited, {TOWARDS[role]}", neurons[role]["neurons"]),
            (
                f"Norms of the offsets on layers' outputs, {TOWARDS[role]}",
                neurons[role]["offset_norms"],
            ),
            (
                f"Norms of the values of layers' memories, {TOWARDS[role]}",
                neurons[role]["memory_norms"],
            ),
        ]
    return [
        {
            "caption": caption,
            "rows": rows,
            "most": f"{max(max(values) for values in rows.values()):g}",
            "svg": Markup(draw_heatmap(f"m{n}", caption, rows)),
        }
        for n, (caption, rows) in enumerate(kinds)
        if rows
    ]
