"""Several edits in one request, composed into one. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Edit, Floats, Ints, MemoryEdit, NeuronEdit


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerNeurons:
    """The neurons that are edited in one layer.

    Attributes:
        neuron: int32 [n], ascending, none twice.
        add, scale: float32 [n], see `NeuronEdit`.
    """

    neuron: Ints
    add: Floats
    scale: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerMemories:
    """The memories that are added to one layer, see `MemoryEdit`.

    Attributes:
        key, value: float32 [m, hidden_size].
        bias: float32 [m], of the keys.
    """

    key: Floats
    bias: Floats
    value: Floats


@dataclass(kw_only=True)
class Composed:
    """What one table row holds.

    Attributes:
        neurons: by layer; only layers that have any.
        offsets: layer -> float32 [hidden_size].
        memories: by layer, the target's first; only layers that have any.
    """

    neurons: dict[int, LayerNeurons] = field(default_factory=dict)
    offsets: dict[int, Floats] = field(default_factory=dict)
    memories: dict[int, LayerMemories] = field(default_factory=dict)


def compose(target: Edit | None, suppress: Sequence[Edit]) -> Composed:
    """One edit that does what the target's and every suppressed language's edit does.

    For neurons see `compose_neurons`. Offsets are directions, not values: they add up. Memories
    stand beside each other: each has a key of its own.
    """
    out = Composed(neurons=compose_neurons(target, suppress))
    edits = [*([target] if target else []), *suppress]
    for edit in edits:
        if edit.offsets:
            for layer, value_H in zip(edit.offsets.layer.tolist(), edit.offsets.value, strict=True):
                out.offsets[layer] = out.offsets.get(layer, np.float32(0)) + value_H
    out.memories = _memories([edit.memories for edit in edits if edit.memories])
    return out


def _memories(edits: Sequence[MemoryEdit]) -> dict[int, LayerMemories]:
    if not edits:
        return {}
    layer = np.concatenate([edit.layer for edit in edits])
    key, bias, value = (
        np.concatenate([getattr(edit, name) for edit in edits]) for name in ("key", "bias", "value")
    )
    return {
        at: LayerMemories(key=key[layer == at], bias=bias[layer == at], value=value[layer == at])
        for at in np.unique(layer).tolist()
    }


def compose_neurons(target: Edit | None, suppress: Sequence[Edit]) -> dict[int, LayerNeurons]:
    """What the edits do to neurons, by layer; only layers where they edit any.

    Where the target edits a neuron, its edit stands alone, since two "set" edits of one neuron
    would pull it to neither value. A neuron that several suppress edits share takes their mean, for
    the same reason.
    """
    # In arrays, not neuron by neuron: an engine waits for this, and a large model has 100,000.
    away = [edit.neurons for edit in suppress if edit.neurons]
    toward = target.neurons if target else None
    if not away and not toward:
        return {}
    keys, which = np.unique(
        np.concatenate([np.zeros(0, np.int64), *map(_keys, away)]), return_inverse=True
    )
    count = np.bincount(which, minlength=len(keys))

    def mean(name: str) -> NDArray[np.float64]:
        values = np.concatenate([np.zeros(0), *(getattr(edit, name) for edit in away)])
        return np.asarray(np.bincount(which, values, minlength=len(keys)) / count, np.float64)

    add, scale = mean("add"), mean("scale")
    if toward:
        mine = _keys(toward)
        other = ~np.isin(keys, mine)
        keys = np.concatenate([keys[other], mine])
        add = np.concatenate([add[other], toward.add])
        scale = np.concatenate([scale[other], toward.scale])
    order = np.argsort(keys)
    layer, neuron = keys[order] >> 32, (keys[order] & 0xFFFFFFFF).astype(np.int32)
    add_N, scale_N = add[order].astype(np.float32), scale[order].astype(np.float32)
    layers, begins = np.unique(layer, return_index=True)
    ends = [*begins[1:].tolist(), len(layer)]
    return {
        at: LayerNeurons(neuron=neuron[begin:end], add=add_N[begin:end], scale=scale_N[begin:end])
        for at, begin, end in zip(layers.tolist(), begins.tolist(), ends, strict=True)
    }


def _keys(edit: NeuronEdit) -> NDArray[np.int64]:
    return (edit.layer.astype(np.int64) << 32) | edit.neuron
