"""All that a store knows of one neuron, as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.inside.memories.agreement import first_following
from profiles.inside.memories.groups import UNKNOWN
from profiles.inside.memories.layer_figures import WAYS
from profiles.inside.memories.memory_store import MemoryStore
from profiles.inside.memories.pieces import Pieces
from profiles.inside.memories.said import UP, Said
from profiles.inside.memories.text import NO_TOKEN

_CONTEXT = 24  # tokens before and after a trigger


def neuron_account(store: MemoryStore, layer: int, neuron: int) -> dict[str, Any]:
    """The neuron's triggers, value, agreement and scores; JSON-serialisable.

    Raises:
        MemoryStoreError: the model has no such neuron.
    """
    store.check(layer, neuron)
    triggers = store.triggers
    ends = {
        "high": (triggers.high[layer, neuron], triggers.high_at[layer, neuron]),
        "low": (triggers.low[layer, neuron], triggers.low_at[layer, neuron]),
    }
    said = store.said
    return {
        "layer": layer,
        "neuron": neuron,
        "triggers": {name: list_triggers(store, *end) for name, end in ends.items()},
        "trigger_languages": {name: _languages(store, end[1]) for name, end in ends.items()},
        "value": None if said is None else said_account(store, said, (layer, neuron)),
        "agreement": None if said is None else _agreement(store, said, layer, neuron),
        "scores": {
            name: dict(zip(store.languages, _rounded(found[:, layer, neuron]), strict=True))
            for name, found in store.scores.all().items()
        },
        "mean": dict(
            zip(store.languages, _rounded(store.scores.mean[:, layer, neuron]), strict=True)
        ),
        "active": dict(
            zip(store.languages, _rounded(store.scores.active[:, layer, neuron]), strict=True)
        ),
    }


def list_triggers(
    store: MemoryStore, coefficients: NDArray[np.floating], places: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """Prefixes with the trigger token apart, and what came after it."""
    text, pieces = store.text, store.pieces
    out = []
    for coefficient, place in zip(coefficients.tolist(), places.tolist(), strict=True):
        if place < 0:
            break
        sentence = int(text.sentence(np.array([place]))[0])
        begin, end = (int(text.starts[sentence + n]) for n in (0, 1))
        before = text.tokens[max(begin, place - _CONTEXT) : place].tolist()
        after = text.tokens[place + 1 : min(end, place + 1 + _CONTEXT)].tolist()
        out.append(
            {
                "coefficient": round(coefficient, 4),
                "language": store.languages[text.labels[sentence]],
                "position": place - begin,
                "before": ("…" if place - begin > _CONTEXT else "") + pieces.text(before),
                "token": pieces.text([int(text.tokens[place])]),
                "after": pieces.text(after) + ("…" if end - place - 1 > _CONTEXT else ""),
                "next": pieces.shown(after[0]) if after else None,
            }
        )
    return out


def said_account(store: MemoryStore, said: Said, at: tuple[int, ...]) -> dict[str, Any]:
    """What one vector promotes and demotes, and the masses of both distributions."""
    groups = store.groups
    scripts = len(groups.scripts)
    out: dict[str, Any] = {}
    for name, way in WAYS.items():
        mass = said.mass[(*at, way)].astype(np.float64)
        out[name] = {
            "tokens": _tokens(store.pieces, said.tokens[(*at, way)], said.probability[(*at, way)]),
            "scripts": _masses(groups.scripts, mass[:scripts], groups.uniform[:scripts]),
            "languages": _masses(groups.languages, mass[scripts:], groups.uniform[scripts:]),
        }
    return out


def _tokens(
    pieces: Pieces, tokens: NDArray[np.int32], probability: NDArray[np.float32]
) -> list[dict[str, Any]]:
    return [
        {"token": pieces.shown(t), "id": t, "probability": round(p, 6)}
        for t, p in zip(tokens.tolist(), probability.tolist(), strict=True)
    ]


def _masses(
    names: Sequence[str], mass: NDArray[np.float64], uniform: NDArray[np.float64]
) -> dict[str, dict[str, float]]:
    """Of groups that hold anything, the heaviest first."""
    # What is known of first, however little it is.
    order = sorted(range(len(names)), key=lambda i: (names[i] == UNKNOWN, -mass[i]))
    return {
        names[i]: {"mass": round(float(mass[i]), 4), "uniform": round(float(uniform[i]), 4)}
        for i in order
        if mass[i] >= 0.0005
    }


def _languages(store: MemoryStore, places: NDArray[np.int64]) -> dict[str, int]:
    there = places[places >= 0]
    labels = store.text.labels[store.text.sentence(there)]
    return dict(Counter(store.languages[label] for label in labels.tolist()).most_common())


def _agreement(store: MemoryStore, said: Said, layer: int, neuron: int) -> dict[str, Any]:
    out = {}
    for name, way in WAYS.items():
        kept = store.triggers.high_at if way == UP else store.triggers.low_at
        places = kept[layer, neuron]
        mine = said.tokens[layer, neuron, way]
        top = int(first_following(places[None], store.text)[0])
        there = places[places >= 0]
        following = store.text.following(there) if len(there) else np.zeros(0, np.int32)
        known = following[following != NO_TOKEN]
        out[name] = {
            "top_trigger": None if top == NO_TOKEN else bool(top == mine[0]),
            "top_trigger_listed": None if top == NO_TOKEN else bool((mine == top).any()),
            "triggers": len(known),
            "first": int((known == mine[0]).sum()),
            "listed": int(np.isin(known, mine).sum()),
        }
    return out


def _rounded(values: NDArray[np.floating]) -> list[float]:
    return [round(float(value), 4) for value in values]
