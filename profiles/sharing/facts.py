"""One shared profile in a line, as plain data. Pure."""

from __future__ import annotations

from typing import Any

from profiles.sharing.artefact import Artefact
from profiles.sharing.change import Change
from profiles.sharing.figures import edits, points


def artefact_facts(artefact: Artefact) -> dict[str, Any]:
    """JSON-serialisable; "figures" are of strength 1.0, by role."""
    profile = artefact.profile
    return {
        "language": profile.language,
        "version": profile.version,
        "file": artefact.name,
        "bytes": len(artefact.data),
        "sha256": artefact.sha256,
        "created": artefact.created,
        "signed": artefact.signature is not None,
        "signature_comment": artefact.comment,
        "model": profile.model.name,
        "weights": profile.model.weights,
        "edits": edits(profile),
        "figures": points(profile),
    }


def change_facts(change: Change) -> dict[str, Any]:
    """The same, with what putting it somewhere did."""
    return {**artefact_facts(change.artefact), "outcome": change.outcome, "before": change.before}
