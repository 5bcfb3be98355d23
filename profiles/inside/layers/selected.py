"""In which layers each language's selected units are, draw by draw. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profiles.finding.average_precision import average_precision
from profiles.finding.select import select_best
from profiles.inside.layers.influence import influence
from profiles.inside.layers.readings import Half, Readings
from profiles.profile import Floats

# Units that may become one of the best in some draw: the best of the corpus, so many times over.
REACH = 2
_CHUNK_BYTES = 32 << 20


def best_detectors(
    readings: Readings, half: Half, weights: Floats, share: float
) -> tuple[NDArray[np.float64], Floats, list[NDArray[np.int64]]]:
    """Shares by layer of the units that detect each language best, by average precision.

    Draws move each unit's average precision to first order, see `influence`.

    Args:
        readings: of a corpus.
        half: whose units.
        weights: [draws, lines].
        share: of all units of all layers that is selected for each language.

    Returns:
        ([languages, layers], in the corpus; [draws, languages, layers]; each language's flat
        units, ascending).
    """
    flat = readings.responses[half]
    flat = flat.reshape(len(flat), -1)
    languages, layers, width = len(readings.languages), readings.layers, readings.units(half)
    scores = average_precision(flat, readings.labels, languages)
    count = max(1, round(share * flat.shape[1]))
    value = np.empty((languages, layers))
    draws = np.empty((len(weights), languages, layers), np.float32)
    chosen = []
    for k in range(languages):
        chosen.append(select_best(scores[k], count))
        value[k] = np.bincount(chosen[k] // width, minlength=layers) / count
        near = select_best(scores[k], min(REACH * count, flat.shape[1]))
        drawn = scores[k, near] + _moves(flat, near, readings.labels == k, weights)
        best = np.argpartition(-drawn, count - 1, axis=1)[:, :count]
        draws[:, k] = _by_layer(near[best] // width, layers) / count
    return value, draws, chosen


def most_specific(
    entropy: Floats, above: NDArray[np.bool_], layer: NDArray[np.integer], layers: int, count: int
) -> tuple[NDArray[np.float64], Floats]:
    """Shares by layer of each language's LAPE neurons, as `best_detectors`.

    The bar and the candidates are those of the corpus; a share of none selected is 0 everywhere.

    Args:
        entropy: [draws + 1, candidates], of the neurons of the lowest entropy; entry 0 is the
            corpus.
        above: bool [draws + 1, languages, candidates].
        layer: [candidates].
        layers: how many there are.
        count: how many neurons are selected over all languages.
    """
    draws, _, candidates = above.shape
    ranked = np.where(above.any(axis=1), entropy, np.inf)
    lowest = np.zeros((draws, candidates), np.bool_)
    best = np.argsort(ranked, axis=1, kind="stable")[:, :count]
    np.put_along_axis(lowest, best, True, axis=1)
    one_hot = np.zeros((candidates, layers), np.float32)
    one_hot[np.arange(candidates), layer] = 1
    counts = (above & lowest[:, None]).astype(np.float32) @ one_hot  # [draws, languages, layers]
    shares = counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)
    return shares[0].astype(np.float64), shares[1:]


def _moves(
    flat: Floats, near: NDArray[np.int64], positive: NDArray[np.bool_], weights: Floats
) -> Floats:
    """float32 [draws, near], what each draw adds to average precisions."""
    sentences, lines = len(flat), weights.shape[1]
    out = np.empty((len(weights), len(near)), np.float32)
    step = max(1, _CHUNK_BYTES // (8 * sentences))
    for start in range(0, len(near), step):
        some = slice(start, start + step)
        _, change = influence(np.asarray(flat[:, near[some]], np.float32), positive)
        by_line = change.reshape(-1, lines, change.shape[1]).sum(axis=0)
        out[:, some] = (weights - 1) @ by_line.astype(np.float32)
    return out


def _by_layer(layer: NDArray[np.integer], layers: int) -> Floats:
    """float32 [draws, layers], counts of [draws, n]."""
    draws = len(layer)
    at = layer + layers * np.arange(draws)[:, None]
    counts = np.bincount(at.reshape(-1), minlength=draws * layers)
    return counts.reshape(draws, layers).astype(np.float32)
