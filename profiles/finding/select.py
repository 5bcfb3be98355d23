"""Scores and statistics → edits, in closed form. Pure functions on arrays."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Floats, NeuronEdit, OffsetEdit


def select_extremes(scores: Floats, count: int) -> NDArray[np.int64]:
    """The `count`/2 best and the `count`/2 worst of flat scores (Kojima et al. 2024), sorted.

    Args:
        scores: [neurons] of one language.
        count: at most the number of neurons.
    """
    order = np.argsort(-scores, kind="stable")
    count = min(count, len(order))
    low = count // 2
    chosen = np.concatenate([order[: count - low], order[len(order) - low :]])
    return np.sort(chosen)


def select_best(scores: Floats, count: int) -> NDArray[np.int64]:
    """The `count` best of flat scores, sorted."""
    return np.sort(np.argsort(-scores, kind="stable")[:count])


def set_to_median(means: Floats, chosen: NDArray[np.int64], of: NDArray[np.bool_]) -> NeuronEdit:
    """Fix neurons at their median response: add = median, scale = -1.

    Args:
        means: [sentences, layers, neurons], responses.
        chosen: [n], flat indices over (layer, neuron).
        of: [sentences], whose median.
    """
    width = means.shape[2]
    flat = means.reshape(len(means), -1)
    median = np.median(flat[np.ix_(np.flatnonzero(of), chosen)], axis=0)
    return NeuronEdit(
        layer=(chosen // width).astype(np.int32),
        neuron=(chosen % width).astype(np.int32),
        add=median.astype(np.float32),
        scale=np.full(len(chosen), -1, np.float32),
    )


def mean_difference(
    output_mean: Floats, language: int, layers: Iterable[int], gain: float
) -> OffsetEdit:
    """Offset = gain * (mean FFN output of the language - mean over the other languages).

    Args:
        output_mean: [languages, layers, hidden_size], see `Activations`.
        language: which one.
        layers: the layers that get an offset.
        gain: factor; negative to steer away.
    """
    others = np.delete(output_mean, language, axis=0).mean(axis=0)
    layer = np.array(sorted(layers), np.int32)
    return OffsetEdit(
        layer=layer, value=(gain * (output_mean[language] - others)[layer]).astype(np.float32)
    )
