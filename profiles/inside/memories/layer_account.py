"""All that a store knows of one layer, or of the model layer by layer, as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.inside.memories.layer_figures import WAYS, layer_figures, settled
from profiles.inside.memories.memory_store import MemoryStore
from profiles.inside.memories.said import UP

# Of a neuron's triggers, in one language, for the neuron to count as that language's.
_PURE = 0.8
_BEST, _TOKENS = 5, 5


def layer_account(store: MemoryStore, layer: int) -> dict[str, Any]:
    """One layer's figures, and each language's best detectors in it; JSON-serialisable.

    What a detector demotes is shown beside what it promotes: on text of its language it is high, so
    that +v is added, and many of them keep words of the language down.

    Raises:
        MemoryStoreError: the model has no such layer.
    """
    store.check(layer)
    return {
        **layer_figures(store)[layer],
        "triggers": _purity(store, layer),
        "languages": [_best(store, layer, index) for index in range(len(store.languages))],
    }


def model_account(store: MemoryStore) -> dict[str, Any]:
    """Every layer's figures, and where predictions settle by language; JSON-serialisable."""
    rows = [{**row, "triggers": _purity(store, row["layer"])} for row in layer_figures(store)]
    at = settled(store.sampled)
    by_language = {
        language: round(float(at[store.sampled.labels == index].mean()), 2)
        for index, language in enumerate(store.languages)
        if (store.sampled.labels == index).any()
    }
    return {
        "layers": rows,
        "settled_at_layer": {"mean": round(float(at.mean()), 2), "by_language": by_language},
    }


def _purity(store: MemoryStore, layer: int) -> dict[str, Any]:
    """Neurons by the language that most of their triggers are in."""
    counts = _trigger_counts(store, layer)
    total = counts.sum(axis=1)
    share = counts.max(axis=1) / np.maximum(total, 1)
    pure = (share >= _PURE) & (total > 0)
    owner = counts.argmax(axis=1)
    return {
        "one_language": round(float(pure.mean()), 4),
        "by_language": {
            language: int((pure & (owner == index)).sum())
            for index, language in enumerate(store.languages)
        },
        **_masses(store, layer, owner, pure),
    }


def _masses(
    store: MemoryStore, layer: int, owner: NDArray[np.int64], pure: NDArray[np.bool_]
) -> dict[str, float | None]:
    """Mean mass that the values of neurons of one language give it, and that all others give it."""
    if store.said is None or not pure.any() or pure.all():
        return {"own_mass": None, "others_mass": None}
    languages = slice(len(store.groups.scripts), -1)
    mass = store.said.mass[layer, :, UP, languages].astype(np.float64)
    others = mass[~pure].mean(axis=0)
    return {
        "own_mass": round(float(mass[pure, owner[pure]].mean()), 4),
        "others_mass": round(float(others[owner[pure]].mean()), 4),
    }


def _trigger_counts(store: MemoryStore, layer: int) -> NDArray[np.int64]:
    """[neurons, languages], how many of a neuron's high triggers are in each."""
    places = store.triggers.high_at[layer]
    out = np.zeros((len(places), len(store.languages)), np.int64)
    neuron, _ = there = np.nonzero(places >= 0)
    labels = store.text.labels[store.text.sentence(places[there])]
    np.add.at(out, (neuron, labels), 1)
    return out


def _best(store: MemoryStore, layer: int, index: int) -> dict[str, Any]:
    ap = store.scores.ap[index, layer]
    rows = []
    for neuron in np.argsort(-ap, kind="stable")[:_BEST].tolist():
        row: dict[str, Any] = {"neuron": neuron, "ap": round(float(ap[neuron]), 4)}
        if store.said is not None:
            group = len(store.groups.scripts) + index
            for name, way in WAYS.items():
                tokens = store.said.tokens[layer, neuron, way, :_TOKENS].tolist()
                mass = float(store.said.mass[layer, neuron, way, group])
                row[name] = [store.pieces.shown(token) for token in tokens]
                row[f"{name}_mass"] = round(mass, 4)
        rows.append(row)
    return {"language": store.languages[index], "best": rows}
