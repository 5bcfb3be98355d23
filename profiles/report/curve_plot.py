"""How the loss fell while an edit was learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from profiles.report.figure import SERIES, Drawing
from profiles.report.plain import plain

_MOST = 3  # stages an edit is learned in


def draw_curves(key: str, name: str, stages: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Training and held-out loss by step, as SVG.

    Args:
        key: begins the element ids.
        name: whose, for the label.
        stages: see `Metadata.curves`, one role's.
    """
    said = []
    with Drawing(4.2, 2.6, (0.52, 0.14, 0.5, 0.3)) as drawing:
        axes = drawing.axes
        for n, (stage, steps) in enumerate([*stages.items()][:_MOST]):
            x = [s["step"] for s in steps]
            color = SERIES[n]
            marker = "o" if len(x) < 30 else ""
            for part, line in (("train", ":"), ("held", "-")):
                style = {"color": color, "ls": line, "marker": marker, "markersize": 3, "lw": 1.3}
                shown = f"{plain(stage)}, {'held out' if part == 'held' else part}"
                axes.plot(x, [s[part] for s in steps], label=shown, **style)
            first, last = steps[0]["held"], steps[-1]["held"]
            said.append(f"{stage}: held-out loss {first:.2f} to {last:.2f} in {x[-1]} steps")
        axes.set_xlabel("step")
        axes.set_ylabel("nats per token")
        drawing.legend()
        return drawing.svg(key, f"{name}: learning curve. {'; '.join(said)}.")
