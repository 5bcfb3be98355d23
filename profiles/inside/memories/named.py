"""The neurons that profiles name, and what they are memories of, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from profiles.inside.memories.layer_figures import WAYS
from profiles.inside.memories.memory_store import MemoryStore
from profiles.inside.memories.moved import moved
from profiles.inside.memories.neuron_account import list_triggers, said_account
from profiles.inside.memories.said import Said
from profiles.profile import Profile

FURTHEST = 10  # of an edit's neurons: there may be thousands
_TRIGGERS, _TOKENS = 3, 5
_WAYS = {"target": "towards", "suppress": "away from"}
Names = dict[tuple[int, int], list[str]]


def named_neurons(
    store: MemoryStore,
    listed: Mapping[str, Sequence[Mapping[str, Any]]],
    profiles: Sequence[Profile],
) -> list[dict[str, Any]]:
    """By layer and neuron, every one that a profile lists or moves furthest; JSON-serialisable.

    Args:
        store: of the profiles' model.
        listed: by language, the detectors a profile lists, {"layer", "neuron", ...}; those the
            model does not have stay out.
        profiles: whose edits' `FURTHEST` are told.

    Returns:
        {"layer", "neuron", "named": why, "detects", "ap", "triggers": see `list_triggers`} and,
        where values were read, "promotes" and "demotes": {"tokens", "language", "mass",
        "uniform"}, the language being the one with most mass.
    """
    names: Names = {}
    layers, neurons = store.shape
    for language, detectors in listed.items():
        for n in detectors:
            if 0 <= n["layer"] < layers and 0 <= n["neuron"] < neurons:
                names.setdefault((n["layer"], n["neuron"]), []).append(f"detector of {language}")
    for profile in profiles:
        _edited(store, profile, names)
    return [_row(store, *at, why) for at, why in sorted(names.items())]


def _edited(store: MemoryStore, profile: Profile, names: Names) -> None:
    for role, edit in profile.edits().items():
        if edit.neurons:
            by = moved(store, edit.neurons)
            for index in np.argsort(-np.abs(by), kind="stable")[:FURTHEST].tolist():
                at = int(edit.neurons.layer[index]), int(edit.neurons.neuron[index])
                said = f"{_WAYS[role]} {profile.language}, by {by[index]:+.2f}"
                names.setdefault(at, []).append(said)


def _row(store: MemoryStore, layer: int, neuron: int, why: list[str]) -> dict[str, Any]:
    ap, triggers = store.scores.ap[:, layer, neuron], store.triggers
    row: dict[str, Any] = {
        "layer": layer,
        "neuron": neuron,
        "named": why,
        "detects": store.languages[int(ap.argmax())],
        "ap": round(float(ap.max()), 4),
        "triggers": list_triggers(
            store,
            triggers.high[layer, neuron, :_TRIGGERS],
            triggers.high_at[layer, neuron, :_TRIGGERS],
        ),
    }
    return row if store.said is None else row | _said(store, store.said, layer, neuron)


def _said(store: MemoryStore, said: Said, layer: int, neuron: int) -> dict[str, Any]:
    account = said_account(store, said, (layer, neuron))
    out = {}
    for way in WAYS:
        known = [(tag, m) for tag, m in account[way]["languages"].items() if tag in store.languages]
        language, mass = known[0] if known else (None, {"mass": 0.0, "uniform": 0.0})
        tokens = [token["token"] for token in account[way]["tokens"][:_TOKENS]]
        out[way] = {"tokens": tokens, "language": language, **mass}
    return out
