"""What profiles were measured to do, for tables: success and fluency together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from profiles.profile import Profile
from profiles.report.metadata import read_metadata
from profiles.summary import edited

ROLES = ("target", "suppress")
_PLURALS = {"neuron": "neurons", "offset": "offsets", "memory": "memories"}


def points(profile: Profile) -> dict[str, dict[str, Any]]:
    """By role, the point that strength 1.0 stands for, of those that were calibrated.

    Its fields are `profiles.learning.frontier.Point`'s; they are checked, as anybody may have
    written the metadata.
    """
    metadata = read_metadata(profile.provenance, profile.model.layers)
    return {
        role: dict(found["points"][found["recommended"]])
        for role, found in metadata.calibrations.items()
        if role in profile.edits()
    }


def edits(profile: Profile) -> dict[str, str]:
    """By role, what is edited, in words: "18 memories"."""
    return {role: edit_words(edited(profile, role)) for role in profile.edits()}


def edit_words(edit: Mapping[str, Any]) -> str:
    """What one role edits, in words; see `profiles.summary.edited`."""
    counts = {"neuron": edit.get("neurons", 0)}
    counts |= {kind: len(edit.get(f"{kind}_layers", ())) for kind in ("offset", "memory")}
    return " + ".join(
        f"{count} {kind if count == 1 else _PLURALS[kind]}"
        for kind, count in counts.items()
        if count
    )


def point_words(point: Mapping[str, Any] | None) -> str:
    """Success, perplexity and repetition of a point, as the tables on screen have them."""
    if point is None:
        return "not calibrated"
    return f"{point['success']:.0%}, ×{point['perplexity']:.2f}, {point['repetition']:.0%}"
