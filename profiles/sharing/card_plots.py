"""The card's pictures: success beside perplexity, a row a language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from profiles.pictures import plt
from profiles.profile import Profile
from profiles.report.metadata import read_metadata
from profiles.sharing.figures import ROLES

_TITLES = {"target": "Towards the language", "suppress": "Away from the language"}
_PANELS = {"success": "success, %", "perplexity": "perplexity, × unedited"}
_LOST = 4.0  # perplexity beyond which nothing is to be read
_COLORS = {"success": "#3066be", "perplexity": "#b4436c"}


def card_plots(profiles: Sequence[Profile]) -> dict[str, bytes]:
    """PNG by role, of the roles that any profile has calibrated.

    The dot is what strength 1.0 stands for, the line the other strengths that were tried.
    """
    out = {}
    for role in ROLES:
        found = {
            p.language: c[role]
            for p in profiles
            if role in (c := read_metadata(p.provenance, p.model.layers).calibrations)
        }
        if found:
            out[role] = _draw(_TITLES[role], found)
    return out


def _draw(title: str, calibrations: Mapping[str, Any]) -> bytes:
    size = (6.6, 1.3 + 0.26 * len(calibrations))
    figure, panels = plt.subplots(1, 2, sharey=True, figsize=size)
    for axes, (measure, label) in zip(panels, _PANELS.items(), strict=True):
        for row, found in enumerate(calibrations.values()):
            best = found["points"][found["recommended"]]
            tried = [_value(p, measure) for p in found["points"] if p["phase"] == best["phase"]]
            color = _COLORS[measure]
            axes.hlines(row, min(tried), max(tried), color=color, lw=2, alpha=0.3)
            axes.plot([_value(best, measure)], [row], "o", color=color, markersize=6)
        axes.set_xlabel(label)
        axes.grid(axis="x", lw=0.4, alpha=0.5)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(left=False)
    panels[0].set_xlim(-4, 104)
    panels[1].axvline(1.0, color="0.5", lw=0.8, ls=":")
    panels[0].set_yticks(range(len(calibrations)), [*calibrations])
    panels[0].set_ylim(len(calibrations) - 0.4, -0.6)
    figure.suptitle(f"{title}: dots are strength 1.0, lines the other strengths", fontsize=9)
    figure.tight_layout()
    out = BytesIO()
    # Without the drawing library's name: the same profiles, the same picture.
    figure.savefig(out, dpi=130, format="png", metadata={"Software": None})
    plt.close(figure)
    return out.getvalue()


def _value(point: Mapping[str, Any], measure: str) -> float:
    value = float(point[measure])
    return 100 * value if measure == "success" else min(value, _LOST)
