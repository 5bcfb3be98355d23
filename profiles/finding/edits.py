"""Chosen neurons and statistics → edits, in closed form. Pure functions on arrays.

Every edit is y' = y + strength * (add + scale * y), see `NeuronEdit`; `chosen` are flat indices
over (layer, neuron), without repeats.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from profiles.finding.difference import difference
from profiles.profile import Floats, NeuronEdit, OffsetEdit

Chosen = NDArray[np.integer]


def set_to_median(means: Floats, chosen: Chosen, of: NDArray[np.bool_]) -> NeuronEdit:
    """Fix neurons at their median response: add = median, scale = -1 (Kojima et al. 2024).

    Args:
        means: [sentences, layers, neurons], responses.
        chosen: [n].
        of: [sentences], whose median.
    """
    flat = means.reshape(len(means), -1)
    median = np.median(flat[np.ix_(np.flatnonzero(of), chosen)], axis=0)
    return _edit(chosen, means.shape[2], add=median, scale=-1)


def add_difference(
    token_mean: Floats, language: int, chosen: Chosen, gain: float = 1.0
) -> NeuronEdit:
    """Add gain * (the language's mean activation - the mean over the other languages).

    Additive edits keep what a neuron does besides telling languages apart, and did better than
    fixed values for Gurgurov et al. (2025).

    Args:
        token_mean: [languages, layers, neurons], see `Activations`.
        language: which one.
        chosen: [n].
        gain: factor; negative to steer away.
    """
    flat = token_mean.reshape(len(token_mean), -1)[:, chosen]
    return _edit(chosen, token_mean.shape[2], add=gain * difference(flat)[language], scale=0)


def scale_by(chosen: Chosen, width: int, factor: ArrayLike) -> NeuronEdit:
    """Multiply neurons by `factor`, a number or one a neuron; `width` neurons are in a layer."""
    return _edit(chosen, width, add=0, scale=np.asarray(factor, np.float32) - 1)


def ablate(chosen: Chosen, width: int) -> NeuronEdit:
    """Set neurons to zero (Tang et al. 2024); `width` neurons are in a layer."""
    return scale_by(chosen, width, 0)


def offset_difference(
    output_mean: Floats, language: int, layers: Iterable[int], gain: float
) -> OffsetEdit:
    """Offset = gain * (mean FFN output of the language - mean over the other languages).

    Args:
        output_mean: [languages, layers, hidden_size], see `Activations`.
        language: which one.
        layers: the layers that get an offset.
        gain: factor; negative to steer away.
    """
    layer = np.array(sorted(layers), np.int32)
    value = gain * difference(output_mean[:, layer])[language]
    return OffsetEdit(layer=layer, value=value.astype(np.float32))


def _edit(chosen: Chosen, width: int, *, add: ArrayLike, scale: ArrayLike) -> NeuronEdit:
    return NeuronEdit(
        layer=(chosen // width).astype(np.int32),
        neuron=(chosen % width).astype(np.int32),
        add=np.broadcast_to(np.asarray(add, np.float32), chosen.shape).copy(),
        scale=np.broadcast_to(np.asarray(scale, np.float32), chosen.shape).copy(),
    )
