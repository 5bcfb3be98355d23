"""The scores of neurons by the names users know them by, all in one shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from profiles.finding.average_precision import average_precision
from profiles.finding.difference import difference, standardized_difference
from profiles.finding.lape import lape
from profiles.profile import Floats

if TYPE_CHECKING:  # it needs torch, the scores do not
    from profiles.finding.activations import Activations

Score = Literal["ap", "lape", "mean-difference", "attribution"]
SCORES: tuple[str, ...] = get_args(Score)
# (language, scale [layers, neurons]) → float32 [layers, neurons], see `attribute`.
Attribute = Callable[[str, Floats], Floats]


def score_neurons(
    score: Score, activations: Activations, attribute: Attribute | None = None
) -> Floats:
    """How specific every neuron is to every language; the higher, the more.

    Args:
        score: "ap", see `average_precision`, in 0..1; "lape", see `Lape.scores`, from 0;
            "mean-difference", see `standardized_difference`, either sign; "attribution", see
            `attribute`, either sign: what shifting the neuron by the language's mean difference
            adds to the log-likelihood of its text.
        activations: of a corpus.
        attribute: needed by "attribution" only, which runs the model.

    Returns:
        float32 [languages, layers, neurons]; the languages are those of `activations`.

    Raises:
        ValueError: no such score, or `attribute` is missing.
    """
    if score == "ap":
        count, layers, width = activations.means.shape
        flat = activations.means.reshape(count, layers * width)
        found = average_precision(flat, activations.labels, len(activations.languages))
        return found.reshape(-1, layers, width)
    if score == "lape":
        return lape(activations.token_active).scores()
    if score == "mean-difference":
        return standardized_difference(activations.token_mean, activations.token_std)
    if score == "attribution" and attribute is not None:
        scales = difference(activations.token_mean)
        pairs = zip(activations.languages, scales, strict=True)
        return np.stack([attribute(language, scale) for language, scale in pairs])
    raise ValueError(f"{score!r} is not one of {', '.join(SCORES)}, or lacks what it needs")
