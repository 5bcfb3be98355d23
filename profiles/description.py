"""What one profile holds, as plain data: for --json and for the table on screen."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from profiles.profile import Profile
from profiles.report.metadata import read_metadata
from profiles.summary import edited, recommended


def describe(profile: Profile, created: str, file: str) -> dict[str, Any]:
    """JSON-serialisable account.

    Args:
        profile: what is described.
        created: when its file was written, ISO 8601.
        file: where it is.
    """
    return {
        "file": file,
        "language": profile.language,
        "version": profile.version,
        "content_hash": profile.content_hash,
        "created": created,
        "model": asdict(profile.model),
        "edits": {role: edited(profile, role) for role in profile.edits()},
        "recommended": _recommended(profile),
        "provenance": dict(profile.provenance),
    }


def _recommended(profile: Profile) -> dict[str, Any]:
    """Of the roles whose calibration is sound: the content hash does not cover the metadata."""
    sound = read_metadata(profile.provenance, profile.model.layers).calibrations
    try:
        return {role: point for role, point in recommended(profile).items() if role in sound}
    except (AttributeError, LookupError, TypeError):
        return {}
