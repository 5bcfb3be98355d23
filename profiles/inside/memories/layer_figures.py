"""Figures of every layer from a store: agreement, composition, refinement. Plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from profiles.inside.memories.agreement import Agreement, agreement, by_chance
from profiles.inside.memories.memory_store import MemoryStore
from profiles.inside.memories.said import DOWN, UP, Said
from profiles.inside.memories.sampled import UNREAD, Sampled

WAYS = {"promotes": UP, "demotes": DOWN}


def layer_figures(store: MemoryStore) -> list[dict[str, Any]]:
    """A dict a layer, from the first: "agreement", "composition", "refinement"; JSON-serialisable.

    See docs/memories.md for what each figure means. Agreement is empty, and figures of composition
    that need values are None, where the store was made without.
    """
    layers = store.shape[0]
    agreed = _agreement(store) if store.said else [{} for _ in range(layers)]
    return [
        {
            "layer": layer,
            "agreement": agreed[layer],
            "composition": _composition(store.sampled, store.said, layer),
            "refinement": _refinement(store.sampled, layer),
        }
        for layer in range(layers)
    ]


def settled(sampled: Sampled) -> np.ndarray[Any, np.dtype[np.int64]]:
    """int64 [positions], the first layer from which on the stream's first token is the final one.

    The number of layers where not even the last one's is, as rounding can make it.
    """
    same = sampled.after == sampled.final[:, None]
    # From the end, how many layers in a row agree.
    run = np.cumprod(same[:, ::-1], axis=1).sum(axis=1)
    return np.asarray(same.shape[1] - run, np.int64)


def _agreement(store: MemoryStore) -> list[dict[str, Any]]:
    said = store.values()
    found: Agreement = agreement(store.triggers, store.text, said)
    chance = by_chance(found, said)
    out = []
    for layer in range(store.shape[0]):
        row = {}
        for name, way in WAYS.items():
            known = found.counted[layer, :, way]
            count = int(known.sum())
            row[name] = {
                "neurons": count,
                "first": _share(found.first[layer, :, way].sum(), count),
                "listed": _share(found.listed[layer, :, way].sum(), count),
                "by_chance": _share(chance[layer, way] * count, count),
            }
        out.append(row)
    return out


def _composition(sampled: Sampled, said: Said | None, layer: int) -> dict[str, Any]:
    output, count = sampled.output[:, layer], len(sampled.labels)
    alone = sampled.alone[:, layer]
    lead = None
    if said is not None:
        way = np.where(sampled.lead_up[:, layer], UP, DOWN)
        said_by_lead = said.tokens[layer, sampled.lead[:, layer], way, 0]
        lead = _share((said_by_lead == output).sum(), count)
    return {
        "positions": count,
        "agrees_with_no_memory": None if (alone == UNREAD).any() else _share(alone.sum(), count),
        "agrees_with_largest": lead,
        "effective_memories": _median(sampled.effective[:, layer]),
    }


def _refinement(sampled: Sampled, layer: int) -> dict[str, Any]:
    before, after = sampled.before[:, layer], sampled.after[:, layer]
    output, count = sampled.output[:, layer], len(sampled.labels)
    stays, taken = after == before, after == output
    return {
        "positions": count,
        "before_is_final": _share((before == sampled.final).sum(), count),
        "after_is_final": _share((after == sampled.final).sum(), count),
        "output_is_final": _share((output == sampled.final).sum(), count),
        "before_probability": _mean(sampled.before_p[:, layer]),
        "after_probability": _mean(sampled.after_p[:, layer]),
        "median_rank": _median(sampled.after_rank[:, layer]),
        # What the sum's first token is: the stream's, the layer's, both's, or neither's.
        "from_stream": _share((stays & ~taken).sum(), count),
        "from_output": _share((taken & ~stays).sum(), count),
        "from_both": _share((taken & stays).sum(), count),
        "from_neither": _share((~taken & ~stays).sum(), count),
    }


def _share(number: Any, of: int) -> float | None:
    return round(float(number) / of, 6) if of else None


def _mean(values: Any) -> float | None:
    return round(float(np.mean(values)), 6) if len(values) else None


def _median(values: Any) -> float | None:
    return round(float(np.median(values)), 3) if len(values) else None
