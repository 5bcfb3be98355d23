"""Edits in closed form: what a recipe does without learning."""

from __future__ import annotations

import numpy as np

from profiles.finding.activations import Activations
from profiles.finding.edits import (
    ablate,
    add_difference,
    offset_difference,
    scale_by,
    set_to_median,
)
from profiles.finding.select import select_best, select_extremes
from profiles.profile import Edit, Floats, NeuronEdit
from profiles.recipe import Recipe


def closed_edit(
    recipe: Recipe, role: str, activations: Activations, scores: Floats, index: int
) -> Edit | None:
    """The edit of one language and role; None where the recipe has none for the role.

    Args:
        recipe: its method is "scored" or "offset".
        role: "target" or "suppress".
        activations: of a corpus, at the site "ffn".
        scores: float32 [languages, layers, neurons].
        index: the language.
    """
    if recipe.method == "offset":
        gain = recipe.gain if role == "target" else -recipe.suppress_gain
        layers = range(activations.output_mean.shape[1])
        return Edit(offsets=offset_difference(activations.output_mean, index, layers, gain))
    neurons = _scored(recipe, role, activations, scores[index].reshape(-1), index)
    return Edit(neurons=neurons) if neurons else None


def _scored(
    recipe: Recipe, role: str, activations: Activations, scores: Floats, index: int
) -> NeuronEdit | None:
    target, width = role == "target", activations.means.shape[2]
    # The worst detectors are silent where the language is: only towards it do they have a say.
    extremes = target and recipe.change == "set" and recipe.score == "ap"
    # Half as many suffice to leave a language.
    count = recipe.neurons if target else max(1, recipe.neurons // 2)
    chosen = (select_extremes if extremes else select_best)(scores, count)
    match recipe.change:
        case "set":
            mine = activations.labels == index
            return set_to_median(activations.means, chosen, mine if target else ~mine)
        case "add":
            return add_difference(activations.token_mean, index, chosen, 1.0 if target else -1.0)
        case "scale":
            return scale_by(
                chosen, width, np.float32(recipe.factor if target else 1 / recipe.factor)
            )
        case "ablate":
            return None if target else ablate(chosen, width)
