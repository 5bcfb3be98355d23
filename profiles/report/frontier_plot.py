"""Strength, success and fluency of one language's calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from profiles.report.figure import INK, QUIET, SERIES, Drawing

_PHASES = {"all": (SERIES[0], "o", "-"), "decode": (SERIES[1], "s", "--")}
_SIZE = (4.2, 3.0)
_MARGINS = (0.52, 0.14, 0.5, 0.3)
# Where perplexity has grown this often, nothing is to be read from how often it has.
_LOST = 8.0
_ROOM = (28, 18)  # what a number takes, in the canvas's pixels


def draw_frontier(key: str, name: str, calibration: Mapping[str, Any]) -> dict[str, str]:
    """Two plots as SVG: "tradeoff", success against perplexity; "strength", both against strength.

    Args:
        key: begins the element ids.
        name: whose, for the label.
        calibration: see `Metadata.calibrations`.
    """
    points = calibration["points"]
    best = points[calibration["recommended"]]
    phases = {
        phase: sorted((p for p in points if p["phase"] == phase), key=lambda p: p["strength"])
        for phase in dict.fromkeys(p["phase"] for p in points)
    }
    said = (
        f"at the recommended strength {best['strength']:g} success is {best['success']:.0%}, "
        f"perplexity {best['perplexity']:.2f} times the unedited, repetition "
        f"{best['repetition']:.0%}."
    )
    tradeoff = _tradeoff(phases, best).svg(
        f"{key}-t", f"{name}: success against perplexity at {len(points)} strengths; {said}"
    )
    strength = _strength(phases, best).svg(
        f"{key}-s", f"{name}: success and repetition against strength; {said}"
    )
    return {"tradeoff": tradeoff, "strength": strength}


def _tradeoff(phases: Mapping[str, Sequence[Mapping[str, Any]]], best: Mapping[str, Any]) -> Any:
    with Drawing(*_SIZE, _MARGINS) as drawing:
        axes = drawing.axes
        for n, (phase, points) in enumerate(phases.items()):
            color, marker, line = _PHASES[phase]
            x = [min(p["perplexity"], _LOST) for p in points]
            y = [100 * p["success"] for p in points]
            axes.plot(x, y, line, color=color, marker=marker, markersize=4, lw=1.3, label=phase)
            if n == 0:
                named = points, x, y
        axes.axvline(1.0, color=QUIET, lw=0.8, ls=":")
        _ring(axes, min(best["perplexity"], _LOST), 100 * best["success"])
        axes.set_xlabel("perplexity of the model's own text, × unedited")
        _finish(drawing, "success, %")
        axes.margins(x=0.1)
        _name_strengths(axes, *named, best)
    return drawing


def _name_strengths(
    axes: Any,
    points: Sequence[Mapping[str, Any]],
    x: Sequence[float],
    y: Sequence[float],
    best: Mapping[str, Any],
) -> None:
    """Writes strengths beside their points: the recommended one, others where there is room."""
    taken: list[Any] = []
    order = sorted(
        range(len(points)), key=lambda n: (points[n] is not best, -points[n]["strength"])
    )
    for n in order:
        place = axes.transData.transform((x[n], y[n]))
        if all(abs(place[0] - a) > _ROOM[0] or abs(place[1] - b) > _ROOM[1] for a, b in taken):
            taken.append(place)
            axes.annotate(
                f"{points[n]['strength']:g}",
                (x[n], y[n]),
                textcoords="offset points",
                xytext=(6, -11) if points[n] is not best else (7, -13),
                fontsize=8,
                color=INK if points[n] is best else QUIET,
            )


def _strength(phases: Mapping[str, Sequence[Mapping[str, Any]]], best: Mapping[str, Any]) -> Any:
    with Drawing(*_SIZE, _MARGINS) as drawing:
        axes = drawing.axes
        for phase, points in phases.items():
            color, marker, line = _PHASES[phase]
            x = [p["strength"] for p in points]
            y = [100 * p["success"] for p in points]
            axes.plot(x, y, line, color=color, marker=marker, markersize=4, lw=1.3, label=phase)
        for phase, points in phases.items():
            _, _, line = _PHASES[phase]
            shade = SERIES[2] if phase == "all" else SERIES[3]
            axes.plot(
                [p["strength"] for p in points],
                [100 * p["repetition"] for p in points],
                line,
                color=shade,
                marker="v",
                markersize=3,
                lw=1,
                label=f"repeats, {phase}",
            )
        _ring(axes, best["strength"], 100 * best["success"])
        axes.set_xlabel("strength, 1 = recommended")
        _finish(drawing, "% of the outputs")
    return drawing


def _ring(axes: Any, x: float, y: float) -> None:
    axes.plot([x], [y], "o", markersize=11, mfc="none", mec=INK, mew=1.5, label="recommended")


def _finish(drawing: Drawing, what: str) -> None:
    axes = drawing.axes
    axes.set_ylabel(what)
    axes.set_ylim(-4, 108)
    axes.set_yticks(range(0, 101, 25))
    drawing.legend()
