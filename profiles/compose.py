"""Several edits in one request, composed into one. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Edit, Floats, Ints, NeuronEdit


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
class LayerMemory:
    """The memory that is added to one layer, see `MemoryEdit`.

    Attributes:
        key, value: float32 [hidden_size].
        bias: of the key.
    """

    key: Floats
    bias: float
    value: Floats


@dataclass(kw_only=True)
class Composed:
    """What one table row holds.

    Attributes:
        neurons: by layer; only layers that have any.
        offsets: layer -> float32 [hidden_size].
        memories: by layer; the target's.
    """

    neurons: dict[int, LayerNeurons] = field(default_factory=dict)
    offsets: dict[int, Floats] = field(default_factory=dict)
    memories: dict[int, LayerMemory] = field(default_factory=dict)


def compose(target: Edit | None, suppress: Sequence[Edit]) -> Composed:
    """One affine edit that does what the target's and every suppressed language's edit does.

    Neurons: where the target edits a neuron, its edit stands alone, since two "set" edits
    of one neuron would pull it to neither value. A neuron that several suppress edits
    share takes their mean, for the same reason. Offsets are directions, not values: they add up.
    Memories are the target's alone: no suppress edit has any.
    """
    wanted = target.neurons if target else None
    out = Composed(neurons=_neurons(wanted, [edit.neurons for edit in suppress]))
    for edit in [*([target] if target else []), *suppress]:
        if edit.offsets:
            for layer, value_H in zip(edit.offsets.layer.tolist(), edit.offsets.value, strict=True):
                out.offsets[layer] = out.offsets.get(layer, np.float32(0)) + value_H
    if target and (memories := target.memories):
        for n, layer in enumerate(memories.layer.tolist()):
            out.memories[layer] = LayerMemory(
                key=memories.key[n], bias=float(memories.bias[n]), value=memories.value[n]
            )
    return out


def _neurons(
    target: NeuronEdit | None, suppress: Sequence[NeuronEdit | None]
) -> dict[int, LayerNeurons]:
    # In arrays, not neuron by neuron: an engine waits for this, and a large model has 100,000.
    away = [edit for edit in suppress if edit]
    if not away and not target:
        return {}
    keys, which = np.unique(
        np.concatenate([np.zeros(0, np.int64), *map(_keys, away)]), return_inverse=True
    )
    count = np.bincount(which, minlength=len(keys))

    def mean(name: str) -> NDArray[np.float64]:
        values = np.concatenate([np.zeros(0), *(getattr(edit, name) for edit in away)])
        return np.asarray(np.bincount(which, values, minlength=len(keys)) / count, np.float64)

    add, scale = mean("add"), mean("scale")
    if target:
        mine = _keys(target)
        other = ~np.isin(keys, mine)
        keys = np.concatenate([keys[other], mine])
        add = np.concatenate([add[other], target.add])
        scale = np.concatenate([scale[other], target.scale])
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
