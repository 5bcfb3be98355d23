"""The card's pictures: success against perplexity, a point a language."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from profiles.pictures import plt
from profiles.profile import Profile
from profiles.report.metadata import read_metadata
from profiles.sharing.figures import ROLES

_TITLES = {"target": "Towards the language", "suppress": "Away from the language"}
_LOST = 4.0  # perplexity beyond which nothing is to be read


def card_plots(profiles: Sequence[Profile]) -> dict[str, bytes]:
    """PNG by role, of the roles that any profile has calibrated.

    The point is what strength 1.0 stands for, the line behind it the other strengths.
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


def _draw(title: str, calibrations: dict[str, Any]) -> bytes:
    figure, axes = plt.subplots(figsize=(6.4, 4.2))
    colors = plt.get_cmap("tab20").colors
    for n, (language, found) in enumerate(calibrations.items()):
        color = colors[n % len(colors)]
        best = found["points"][found["recommended"]]
        line = sorted(
            (p for p in found["points"] if p["phase"] == best["phase"]),
            key=lambda p: p["strength"],
        )
        axes.plot(*_xy(line), color=color, lw=1, alpha=0.35, zorder=1)
        axes.scatter(*_xy([best]), color=color, s=36, zorder=2, edgecolors="white", lw=0.6)
        # A language's tag is the file's: letters, digits and hyphens.
        axes.annotate(
            language,
            (min(best["perplexity"], _LOST), 100 * best["success"]),
            textcoords="offset points",
            # Points that share a place keep their names apart.
            xytext=(5, 5 - 9 * (n % 3)),
            fontsize=8,
        )
    axes.axvline(1.0, color="0.6", lw=0.8, ls=":")
    axes.set_xlabel("perplexity of the model's own text, × unedited")
    axes.set_ylabel("success, %")
    axes.set_ylim(-4, 108)
    axes.set_title(f"{title}: points are strength 1.0, lines the other strengths", fontsize=9)
    axes.grid(lw=0.4, alpha=0.5)
    figure.tight_layout()
    out = BytesIO()
    # Without the drawing library's name: the same profiles, the same picture.
    figure.savefig(out, dpi=150, format="png", metadata={"Software": None})
    plt.close(figure)
    return out.getvalue()


def _xy(line: Sequence[Any]) -> tuple[list[float], list[float]]:
    return [min(p["perplexity"], _LOST) for p in line], [100 * p["success"] for p in line]
