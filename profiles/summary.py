"""What `langsteer profile` found, as plain data: for --json and for the table on screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from profiles.finding.histogram import score_histogram
from profiles.finding.select import select_best
from profiles.profile import Floats, Profile

if TYPE_CHECKING:  # they need torch, the report does not
    from profiles.corpora.corpus import Corpus
    from profiles.finding.activations import Activations
    from profiles.make import Made

_TOP = 0.01


def summarize(made: Made, corpus: Corpus, files: Mapping[str, Path]) -> dict[str, Any]:
    """JSON-serialisable account of a run.

    Args:
        made: the run.
        corpus: what it read.
        files: the profile file of each language.
    """
    profiles = {profile.language: profile for profile in made.profiles}
    score = made.profiles[0].provenance["parameters"]["score"]
    found = made.activations.languages if made.activations is not None else tuple(profiles)
    top: dict[str, np.ndarray[Any, Any]] = {}
    rows = []
    for i, language in enumerate(found):
        row: dict[str, Any] = {"language": language, "sentences": len(corpus.texts[language])}
        if made.activations is not None and made.scores is not None:
            mine = made.scores[i]
            top[language] = select_best(mine.reshape(-1), max(1, round(_TOP * mine.size)))
            row |= {
                **amount(made.activations, language),
                "scores": score_histogram(score, mine)["quantiles"],
                "top_neurons_per_layer": np.bincount(
                    top[language] // mine.shape[1], minlength=mine.shape[0]
                ).tolist(),
            }
        if profile := profiles.get(language):
            row |= {
                "file": str(files[language]),
                "version": profile.version,
                "edits": {role: edited(profile, role) for role in profile.edits()},
                "recommended": recommended(profile),
            }
        rows.append(row)
    return {
        "model": made.profiles[0].model.name,
        "corpus": {"source": corpus.source, "sha256": corpus.digest},
        "score": score,
        "warnings": [*corpus.warnings, *made.warnings],
        "languages": rows,
        "overlap": overlap([*top], [*top.values()]),
        "top_share": _TOP,
        "seconds": dict(made.seconds),
    }


def amount(activations: Activations, language: str) -> dict[str, Any]:
    """How much text of a language was read, and how much left out."""
    index = activations.languages.index(language)
    return {
        "language": language,
        "sentences": int(activations.sentences[index]),
        "tokens": int(activations.tokens[index]),
        "dropped_sentences": int(activations.dropped[index]),
    }


def recommended(profile: Profile) -> dict[str, Any]:
    """By role, the calibrated point strength 1.0 stands for; empty where none was calibrated.

    `advised_phase` is the phase that is best asked for, see `Frontier`.
    """
    out = {}
    for role, account in profile.provenance.get("learning", {}).items():
        if found := account.get("calibration"):
            point = found["points"][found["recommended"]]
            out[role] = {**point, "advised_phase": found.get("phase", point["phase"])}
    return out


def overlap(
    languages: Sequence[str], chosen: Sequence[np.ndarray[Any, Any]]
) -> list[dict[str, Any]]:
    """What each pair's chosen neurons share: count, Jaccard index, share of the smaller set."""
    out = []
    for i, first in enumerate(languages):
        for j in range(i + 1, len(languages)):
            shared = len(np.intersect1d(chosen[i], chosen[j]))
            union = len(chosen[i]) + len(chosen[j]) - shared
            smaller = min(len(chosen[i]), len(chosen[j]))
            out.append(
                {
                    "languages": [first, languages[j]],
                    "shared": shared,
                    "jaccard": round(shared / max(union, 1), 4),
                    "share": round(shared / max(smaller, 1), 4),
                }
            )
    return out


def edited(profile: Profile, role: str) -> dict[str, Any]:
    """What one role of a profile changes, by layer."""
    edit = profile.edits()[role]
    out: dict[str, Any] = {}
    if edit.neurons:
        per_layer = np.bincount(edit.neurons.layer, minlength=profile.model.layers)
        out["neurons"] = len(edit.neurons)
        out["neurons_per_layer"] = per_layer.tolist()
    if edit.offsets:
        out["offset_layers"] = edit.offsets.layer.tolist()
        out["offset_norms"] = _norms(edit.offsets.value)
    if edit.memories:
        out["memory_layers"] = edit.memories.layer.tolist()
        out["memory_norms"] = _norms(edit.memories.value)
        out["memory_key_norms"] = _norms(edit.memories.key)
        out["memory_biases"] = [round(float(bias), 3) for bias in edit.memories.bias]
    return out


def _norms(value_LH: Floats) -> list[float]:
    return [round(float(norm), 3) for norm in np.linalg.norm(value_LH, axis=1)]
