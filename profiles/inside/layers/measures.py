"""What is measured of each layer, in words, and which way it speaks for specificity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure.

    Attributes:
        title: in a few words, of the value.
        meaning: what a value is, as a sentence's end.
        specific: 1 where more of it is more specific to languages, -1 where less is, 0 where it
            says nothing about that by itself.
        groups: what a value is of.
        low, high: what it can be.
    """

    title: str
    meaning: str
    specific: Literal[-1, 0, 1]
    groups: Literal["language", "pair", "all"]
    low: float
    high: float


MEASURES: dict[str, Measure] = {
    "ap-share": Measure(
        title="share of the units selected by AP",
        meaning="the share of the units selected for a language by average precision, over all "
        "layers, that are in the layer",
        specific=1,
        groups="language",
        low=0,
        high=1,
    ),
    "lape-share": Measure(
        title="share of the neurons selected by LAPE",
        meaning="the share of the neurons selected for a language by LAPE, over all layers, that "
        "are in the layer",
        specific=1,
        groups="language",
        low=0,
        high=1,
    ),
    "jaccard": Measure(
        title="overlap of the most active (Jaccard)",
        meaning="the Jaccard index of two languages' most active units of the layer",
        specific=-1,
        groups="pair",
        low=0,
        high=1,
    ),
    "correlation": Measure(
        title="rank correlation on translations",
        meaning="Spearman's correlation of the units' responses to a line and to its translation",
        specific=-1,
        groups="pair",
        low=-1,
        high=1,
    ),
    "language-gap": Measure(
        title="language gap of the rank correlation",
        meaning="how much more two different lines of one language correlate than two different "
        "lines of two languages",
        specific=1,
        groups="pair",
        low=-2,
        high=2,
    ),
    "translation-gain": Measure(
        title="translation gain of the rank correlation",
        meaning="how much more a line correlates with its translation than with another line of "
        "that language",
        # Little of it may be another language, or no meaning at all, as near the input.
        specific=0,
        groups="pair",
        low=-2,
        high=2,
    ),
    "entropy": Measure(
        title="entropy of activation probability",
        meaning="the mean over neurons of LAPE's entropy H, over its greatest value",
        specific=-1,
        groups="all",
        low=0,
        high=1,
    ),
    "pair-entropy": Measure(
        title="entropy between two languages",
        meaning="the mean over neurons of H over two languages only, over its greatest value",
        specific=-1,
        groups="pair",
        low=0,
        high=1,
    ),
    "sparsity": Measure(
        title="sparsity (Hoyer)",
        meaning="Hoyer's sparsity of a token's activations, the mean over tokens, then lines",
        specific=0,
        groups="language",
        low=0,
        high=1,
    ),
    "flatness": Measure(
        title="flatness",
        meaning="the entropy of a token's absolute activations over its greatest value, the mean "
        "over tokens, then lines",
        specific=0,
        groups="language",
        low=0,
        high=1,
    ),
    "sparsity-difference": Measure(
        title="difference in sparsity",
        meaning="how far two languages' sparsities are apart",
        specific=1,
        groups="pair",
        low=0,
        high=1,
    ),
    "flatness-difference": Measure(
        title="difference in flatness",
        meaning="how far two languages' flatnesses are apart",
        specific=1,
        groups="pair",
        low=0,
        high=1,
    ),
}
