"""Several edits in one request, composed into one. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Edit

Floats = NDArray[np.float32]


@dataclass(kw_only=True)
class Composed:
    """What one table row holds.

    Attributes:
        neurons: (layer, neuron) -> (add, scale).
        offsets: layer -> float32 [hidden_size].
    """

    neurons: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)
    offsets: dict[int, Floats] = field(default_factory=dict)


def compose(target: Edit | None, suppress: Sequence[Edit]) -> Composed:
    """One affine edit that does what the target's and every suppressed language's edit does.

    Neurons: where the target edits a neuron, its edit stands alone, since two "set" edits
    of one neuron would pull it to neither value. A neuron that several suppress edits
    share takes their mean, for the same reason. Offsets are directions, not values: they add up.
    """
    out = Composed()
    shared: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for edit in suppress:
        for key, value in _neurons(edit):
            shared.setdefault(key, []).append(value)
    for key, values in shared.items():
        adds, scales = zip(*values, strict=True)
        out.neurons[key] = (float(np.mean(adds)), float(np.mean(scales)))
    for key, value in _neurons(target) if target else ():
        out.neurons[key] = value
    for edit in [*([target] if target else []), *suppress]:
        if edit.offsets:
            for layer, value_H in zip(edit.offsets.layer.tolist(), edit.offsets.value, strict=True):
                out.offsets[layer] = out.offsets.get(layer, np.float32(0)) + value_H
    return out


def _neurons(edit: Edit) -> list[tuple[tuple[int, int], tuple[float, float]]]:
    if not edit.neurons:
        return []
    n = edit.neurons
    keys = zip(n.layer.tolist(), n.neuron.tolist(), strict=True)
    return list(zip(keys, zip(n.add.tolist(), n.scale.tolist(), strict=True), strict=True))
