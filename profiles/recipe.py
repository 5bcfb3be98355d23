"""What an edit is made of, and how strong it is at strength 1.0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Method = Literal["learned", "offset", "ap-median", "both"]
METHODS: tuple[str, ...] = get_args(Method)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How `langsteer profile` makes an edit. The defaults are the recommended point.

    Attributes:
        method: "learned" learns an offset on the FFN outputs by gradient descent (see
            `learn_offsets`), half a minute a language for a small model on a CPU; "offset" takes
            the mean difference of the FFN outputs between the language and the others;
            "ap-median" sets the neurons of extreme average precision to their median (Kojima
            et al. 2024); "both" does the last two together.
        neurons: how many neurons "ap-median" edits.
        gain: factor on the mean difference towards the language.
        suppress_gain: factor on the mean difference away from it.
        steps: of "learned", for each language and role.
    """

    method: Method = "learned"
    neurons: int = 100
    gain: float = 0.4
    suppress_gain: float = 0.2
    steps: int = 25

    def neurons_of(self, role: str) -> int:
        """How many neurons the role's edit sets; suppression only needs the best detectors."""
        if self.method in ("offset", "learned"):
            return 0
        return self.neurons if role == "target" else max(1, self.neurons // 2)

    def gain_of(self, role: str) -> float:
        """Factor of the role's offset, 0 for none."""
        if self.method in ("ap-median", "learned"):
            return 0.0
        return self.gain if role == "target" else -self.suppress_gain
