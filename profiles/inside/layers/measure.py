"""Readings → every measure, layer by layer. Pure numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiles.finding.lape import Lape, lape
from profiles.inside.layers.agreement import Agreement, agreement
from profiles.inside.layers.measured import Measured
from profiles.inside.layers.probability import Entropies, entropies, probabilities
from profiles.inside.layers.readings import HALVES, Half, Readings
from profiles.inside.layers.resample import resamples
from profiles.inside.layers.selected import REACH, best_detectors, most_specific
from profiles.profile import Floats

_AGREEMENTS = {
    "jaccard": "jaccard",
    "correlation": "correlation",
    "language-gap": "gap",
    "translation-gain": "gain",
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to measure.

    Attributes:
        share: of all units that are selected for each language (AP), or over all (LAPE).
        top: share of a layer's units whose overlap is taken.
        draws, seed: of the bootstrap.
    """

    share: float = 0.01
    top: float = 0.05
    draws: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.share <= 1 and 0 < self.top <= 1):
            raise ValueError(f"share {self.share} and top {self.top} must be in 0..1, above 0")


def measure(
    readings: Readings, options: Options, progress: Callable[[int, int], None] | None = None
) -> list[Measured]:
    """All of `MEASURES`: those of detectors first, then those of combinators.

    Selected units and entropies are of all layers and neurons; everything else is done a layer at
    a time, so that beside the readings only one layer's arrays are needed.

    Args:
        readings: of a parallel corpus.
        options: see `Options`.
        progress: called with (steps done, steps in all).
    """
    weights = resamples(readings.lines, options.draws, options.seed)
    steps, total = iter(range(1, 1 << 30)), 2 + readings.layers * (1 + len(HALVES))

    def step() -> None:
        if progress:
            progress(next(steps), total)

    shares = {}
    for half in HALVES:
        value, draws, _ = best_detectors(readings, half, weights, options.share)
        shares[half] = Measured(
            name="ap-share", half=half, groups=readings.languages, value=value, draws=draws
        )
        step()
    out = [shares["detectors"], *_of_probabilities(readings, weights, options, step)]
    for half in HALVES:
        if half == "combinators":
            out.append(shares[half])
        agreements = []
        for layer in range(readings.layers):
            agreements.append(_agreement(readings, half, layer, weights, options))
            step()
        out += _of_agreements(readings, half, agreements)
        out += _of_shapes(readings, half, weights)
    return out


def _agreement(
    readings: Readings, half: Half, layer: int, weights: Floats, options: Options
) -> Agreement:
    responses = readings.responses[half]
    by_line = responses.reshape(len(readings.languages), readings.lines, *responses.shape[1:])
    return agreement(by_line[:, :, layer], weights, readings.pairs, options.top)


def _of_agreements(readings: Readings, half: Half, found: list[Agreement]) -> Iterator[Measured]:
    for name, field in _AGREEMENTS.items():
        values = [getattr(layer, field) for layer in found]
        yield Measured(
            name=name,
            half=half,
            groups=readings.pair_names,
            value=np.stack([value for value, _ in values], axis=-1),
            draws=np.stack([draws for _, draws in values], axis=-1).astype(np.float32),
        )


def _of_probabilities(
    readings: Readings, weights: Floats, options: Options, step: Callable[[], None]
) -> Iterator[Measured]:
    languages = len(readings.languages)
    by_line = readings.active.reshape(languages, readings.lines, *readings.active.shape[1:])
    found = _lape(by_line, readings.tokens, options.share)
    layer, neuron = _lowest(found, options.share)
    made: list[Entropies] = []
    for n in range(readings.layers):
        made.append(
            entropies(
                by_line[:, :, n],
                readings.tokens,
                weights,
                readings.pairs,
                neuron[layer == n],
                found.bar,
            )
        )
        step()
    value, draws = most_specific(
        np.concatenate([m.neurons for m in made], axis=1),
        np.concatenate([m.above for m in made], axis=2),
        layer,
        readings.layers,
        round(options.share * found.entropy.size),
    )
    yield Measured(
        name="lape-share", half="detectors", groups=readings.languages, value=value, draws=draws
    )
    whole = np.stack([m.all for m in made], axis=-1)[:, None]
    pairs = np.stack([m.pairs for m in made], axis=-1)
    for name, groups, both in (
        ("entropy", ("all",), whole),
        ("pair-entropy", readings.pair_names, pairs),
    ):
        yield Measured(
            name=name,
            half="detectors",
            groups=groups,
            value=both[0],
            draws=both[1:].astype(np.float32),
        )


def _lape(by_line: Floats, tokens: NDArray[np.int64], share: float) -> Lape:
    """Of the corpus, layer by layer: counts are half as wide as their sums."""
    once = np.ones((1, by_line.shape[1]), np.float32)
    layers = [probabilities(by_line[:, :, n], tokens, once)[:, 0] for n in range(by_line.shape[2])]
    return lape(np.stack(layers, axis=1), share=share)


def _lowest(found: Lape, share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(layer, neuron) of those that may be selected in some draw, by layer."""
    count = min(found.entropy.size, REACH * round(share * found.entropy.size))
    flat = np.sort(np.argsort(found.entropy, axis=None, kind="stable")[:count])
    layer, neuron = np.divmod(flat, found.entropy.shape[1])
    return layer, neuron


def _of_shapes(readings: Readings, half: Half, weights: Floats) -> Iterator[Measured]:
    every = np.concatenate([np.ones((1, readings.lines), np.float32), weights])
    for name, of in zip(("sparsity", "flatness"), readings.shapes[half], strict=True):
        # [languages, lines, layers] -> [draws + 1, languages, layers]
        found = np.einsum("ds,ksl->dkl", every, of, dtype=np.float64) / readings.lines
        first, second = (np.array([pair[i] for pair in readings.pairs]) for i in (0, 1))
        apart = np.abs(found[:, first] - found[:, second])
        for title, groups, both in (
            (name, readings.languages, found),
            (f"{name}-difference", readings.pair_names, apart),
        ):
            yield Measured(
                name=title,
                half=half,
                groups=groups,
                value=both[0],
                draws=both[1:].astype(np.float32),
            )
