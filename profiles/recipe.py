"""What an edit is made of, and how strong it is at strength 1.0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from profiles.finding.score import Score
from profiles.learning.selection import Pruning, Selection

Method = Literal["learned", "learned-offset", "neurons", "scored", "offset"]
Change = Literal["set", "add", "scale", "ablate"]
METHODS: tuple[str, ...] = get_args(Method)
CHANGES: tuple[str, ...] = get_args(Change)
LEARNED: tuple[Method, ...] = ("learned", "learned-offset", "neurons")
# Those of them that suppress by factors on neurons.
FACTORS: tuple[Method, ...] = ("learned-offset", "neurons")
# Those whose target edits take no neurons: all that a mixture of experts can have.
ON_OUTPUTS: tuple[Method, ...] = ("learned", "learned-offset")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How `langsteer profile` makes an edit. The defaults are the recommended point.

    Attributes:
        method: "learned" learns one more memory for each FFN by gradient descent, towards a
            language and away from it (see `learn` and `LearnableMemories`); "learned-offset" an
            offset on its output, which is always on; "neurons" decomposes such an offset over the
            FFNs' value vectors (see `decompose`) and goes on learning the chosen neurons'
            additions. These two suppress by learned factors on neurons: a neuron of the language
            that is silent stays so. "scored" changes the neurons with the best scores in closed
            form; "offset" takes the mean difference of the FFN outputs between the language and
            the others.
        budgets: shares of all FFN neurons that "neurons" may edit; of several the smallest is
            taken that is about as good as the best (see `choose_budget`).
        selection: how "neurons" finds them: "pursuit" picks those whose values express the offset
            best (see `decompose`); the others begin with the offset spread over all neurons and
            give neurons up while they learn: the least moving ones ("magnitude"), under an L1
            penalty ("l1", see `L1Neurons`) or by stochastic gates ("hard-concrete", see
            `HardConcreteNeurons`).
        suppress_budget: share that learned factors suppress by.
        suppress_selection: how learning comes down to it; no "pursuit" there.
        steps: of learning, for each language and role; "neurons" spends as many again.
        seconds: at most so long for each, or None.
        calibrate: choose the strength on held-out text; without it 1.0 is what learning or the
            closed form gave, for "scored" the published edit.
        score: what ranks neurons: for "scored", and in the account of every profile.
        change: what "scored" does to its neurons. "set" fixes them at their median (with the score
            "ap" the recipe of Kojima et al. 2024), "add" adds their mean difference, "scale"
            multiplies by `factor` or, to suppress, divides; "ablate" sets them to zero and only
            suppresses (with "lape" that of Tang et al. 2024).
        neurons: how many "scored" changes.
        factor: of "scale".
        gain: of "offset", on the mean difference towards the language.
        suppress_gain: the same away from it.
        seed: of everything drawn.
    """

    method: Method = "learned"
    budgets: tuple[float, ...] = (0.01,)
    selection: Selection = "pursuit"
    suppress_budget: float = 0.05
    suppress_selection: Pruning = "magnitude"
    steps: int = 50
    seconds: float | None = None
    calibrate: bool = True
    score: Score = "ap"
    change: Change = "set"
    neurons: int = 100
    factor: float = 2.0
    gain: float = 0.4
    suppress_gain: float = 0.2
    seed: int = 0

    @property
    def learns(self) -> bool:
        """Whether edits are learned rather than computed."""
        return self.method in LEARNED

    @property
    def learns_factors(self) -> bool:
        """Whether suppress edits are learned factors on neurons."""
        return self.method in FACTORS
