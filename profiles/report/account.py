"""Everything the page shows, as plain data: what `langsteer report --json` prints."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from profiles.profile import Profile
from profiles.report.clean import clean
from profiles.report.collection import Collection
from profiles.report.evaluation import mismatches
from profiles.report.metadata import Metadata, read_metadata
from profiles.summary import edited, overlap

ROLES = ("target", "suppress")
# Where a recommended point is worth a word of warning.
_POOR_SUCCESS, _DEAR, _REPETITIVE = 0.5, 1.5, 0.15


def account(
    collection: Collection, evaluation: Mapping[str, Any] | None, command: Sequence[str]
) -> dict[str, Any]:
    """JSON-serialisable account of `collection`, its text fit for a page.

    Args:
        collection: the profiles.
        evaluation: see `read_evaluation`; or None.
        command: what prints the page again.
    """
    profiles = [*collection.profiles.values()]
    metadata = {p.language: read_metadata(p.provenance, p.model.layers) for p in profiles}
    rows = [_row(p, metadata[p.language], collection) for p in profiles]
    warnings = [warning for row in rows for warning in _warnings(row)]
    warnings += _disagreements(rows)
    if evaluation:
        warnings += mismatches(evaluation, profiles)
    data = {
        "format": 1,
        "model": asdict(collection.model),
        "folder": str(collection.folder),
        "languages": [p.language for p in profiles],
        "profiles": rows,
        "neurons": _neurons(profiles, metadata),
        "overlap": _overlaps(profiles, metadata),
        "evaluation": evaluation,
        "warnings": warnings,
        "command": shlex.join(command),
    }
    found: dict[str, Any] = clean(data)
    return found


def default_page(collection: Collection) -> Path:
    """Where the page goes if nobody says."""
    return Path(f"report-{Path(collection.model.name).name or 'model'}.html")


def _row(profile: Profile, metadata: Metadata, collection: Collection) -> dict[str, Any]:
    edits = {role: edited(profile, role) for role in profile.edits()}
    neurons = profile.model.layers * profile.model.intermediate_size
    for edit in edits.values():
        edit["neurons_share"] = edit.get("neurons", 0) / neurons
    return {
        "language": profile.language,
        "version": profile.version,
        "content_hash": profile.content_hash,
        "created": collection.created[profile.language],
        "edits": edits,
        "recommended": {
            role: found["points"][found["recommended"]]
            for role, found in metadata.calibrations.items()
        },
        **asdict(metadata),
    }


def _neurons(profiles: Sequence[Profile], metadata: Mapping[str, Metadata]) -> dict[str, Any]:
    """By kind and language, a value a layer: counts of neurons, norms of offsets and memories."""
    layers = profiles[0].model.layers
    out: dict[str, Any] = {"layers": layers, "listed": {}}
    for profile in profiles:
        at = [neuron["layer"] for neuron in metadata[profile.language].language_neurons]
        if at:
            out["listed"][profile.language] = np.bincount(at, minlength=layers).tolist()
    for role in ROLES:
        counts = {}
        norms: dict[str, dict[str, list[float]]] = {"offset": {}, "memory": {}}
        for profile in profiles:
            edit = profile.edits().get(role)
            if edit and edit.neurons:
                counts[profile.language] = edited(profile, role)["neurons_per_layer"]
            for kind in norms if edit else ():
                found = edited(profile, role)
                if f"{kind}_layers" in found:
                    pairs = zip(found[f"{kind}_layers"], found[f"{kind}_norms"], strict=True)
                    by_layer = dict(pairs)
                    norms[kind][profile.language] = [by_layer.get(n, 0.0) for n in range(layers)]
        out[role] = {
            "neurons": counts,
            "offset_norms": norms["offset"],
            "memory_norms": norms["memory"],
        }
    return out


def _overlaps(profiles: Sequence[Profile], metadata: Mapping[str, Metadata]) -> dict[str, Any]:
    """By kind, what each pair of languages shares; kinds with fewer than two languages stay out."""
    width = profiles[0].model.intermediate_size
    chosen: dict[str, dict[str, Any]] = {"listed": {}, **{role: {} for role in ROLES}}
    for profile in profiles:
        if listed := metadata[profile.language].language_neurons:
            flat = [n["layer"] * width + n["neuron"] for n in listed]
            chosen["listed"][profile.language] = np.array(flat, np.int64)
        for role, edit in profile.edits().items():
            if edit.neurons:
                flat64 = edit.neurons.layer.astype(np.int64) * width + edit.neurons.neuron
                chosen[role][profile.language] = flat64
    return {
        kind: overlap([*sets], [*sets.values()]) for kind, sets in chosen.items() if len(sets) > 1
    }


def _warnings(row: Mapping[str, Any]) -> list[str]:
    language = row["language"]
    out = [
        f"{language}: the metadata field {name} is damaged and left out."
        for name in row["unreadable"]
    ]
    for role, point in row["recommended"].items():
        where = f"{language}, {role}: at the recommended point"
        if point["success"] < _POOR_SUCCESS:
            out.append(f"{where} only {point['success']:.0%} of the outputs succeed.")
        if point["perplexity"] > _DEAR:
            out.append(f"{where} perplexity is {point['perplexity']:.2f} times the unedited.")
        if point["repetition"] > _REPETITIVE:
            out.append(f"{where} {point['repetition']:.0%} of the outputs repeat themselves.")
    return out


def _disagreements(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What makes rows hard to compare."""
    out = []
    for what, key in (("corpora", "corpus"), ("versions of langsteer", "versions")):
        field = {"corpus": "sha256", "versions": "langsteer"}[key]
        if len({str(row[key].get(field)) for row in rows}) > 1:
            out.append(f"The profiles were made with different {what}: compare with care.")
    if len({row["method"] for row in rows}) > 1:
        methods = sorted({row["method"] or "unknown" for row in rows})
        out.append(f"The profiles were made by different methods: {', '.join(methods)}.")
    return out
