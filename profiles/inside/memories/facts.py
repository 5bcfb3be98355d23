"""What a report tells of a model's memories, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from profiles.inside.memories.layer_account import layer_account, model_account
from profiles.inside.memories.memory_store import MemoryStore
from profiles.inside.memories.named import named_neurons
from profiles.profile import Profile


def memories_facts(
    store: MemoryStore,
    listed: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    profiles: Sequence[Profile] = (),
) -> dict[str, Any]:
    """JSON-serialisable.

    "about", "layers", "settled"; "detectors", the last layer's best; "neurons", those that
    profiles name.

    Args:
        store: of the model.
        listed, profiles: see `named_neurons`.
    """
    facts = model_account(store)
    return {
        "about": dict(store.about),
        "layers": facts["layers"],
        "settled": facts["settled_at_layer"],
        "detectors": _detectors(store),
        "neurons": named_neurons(store, listed or {}, profiles),
    }


def _detectors(store: MemoryStore) -> list[dict[str, Any]]:
    """Each language's best detectors of the last layer, and what their values say."""
    last = store.shape[0] - 1
    return [
        {"language": row["language"], "layer": last, "best": row["best"][:3]}
        for row in layer_account(store, last)["languages"]
    ]
