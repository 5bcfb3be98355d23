"""How every neuron responds to every language, as profiles score it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from profiles.finding.average_precision import average_precision
from profiles.finding.difference import standardized_difference
from profiles.finding.lape import lape
from profiles.profile import Floats

if TYPE_CHECKING:  # it needs torch, looking scores up does not
    from profiles.finding.activations import Activations


@dataclass(frozen=True, kw_only=True, eq=False)
class LanguageScores:
    """Responses by language; all float32 [languages, layers, neurons].

    Attributes:
        ap: average precision as a detector of the language, see `average_precision`.
        mean, std: of the coefficient over the language's tokens.
        active: share of the tokens with act(gate) > 0, see `Activations.token_active`.
    """

    ap: Floats
    mean: Floats
    std: Floats
    active: Floats

    def all(self) -> dict[str, Floats]:
        """By name, every score that needs no model: ap, lape, mean-difference."""
        return {
            "ap": self.ap,
            "lape": lape(self.active).scores(),
            "mean-difference": standardized_difference(self.mean, self.std),
        }


def score_languages(activations: Activations) -> LanguageScores:
    """The scores of what was recorded."""
    count, layers, width = activations.means.shape
    flat = activations.means.reshape(count, layers * width)
    found = average_precision(flat, activations.labels, len(activations.languages))
    return LanguageScores(
        ap=found.reshape(-1, layers, width).astype(np.float32),
        mean=activations.token_mean,
        std=activations.token_std,
        active=activations.token_active,
    )
