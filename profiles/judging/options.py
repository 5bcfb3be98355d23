"""How to evaluate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from profiles.judging.condition import DEFAULT_CONDITIONS
from profiles.judging.writer import Sampling

Phase = Literal["all", "decode"]
PHASES: tuple[Phase, ...] = ("all", "decode")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to sample, and what. Temperature and length are those of Kojima et al. 2024, section 4.

    Attributes:
        samples: outputs a cell; sample i uses seed + i.
        tokens: length of an output.
        temperature: of plain sampling, no nucleus filter.
        seed: of the first sample.
        strengths: factors on the profiles' edits, each evaluated by itself.
        phase: "all" edits prompt and answer; "decode" edits from the last prompt token on. Of the
            profiles' edits: baselines are as published.
        conditions: names of `CONDITIONS`; see `of_role` for what they mean in which role.
        roles: "target", "suppress".
        baselines: names of `BASELINES`.
        held_out: paragraphs a language whose perplexity is measured; 0 for none.
        batch: rows generated at once.
    """

    samples: int = 50
    tokens: int = 64
    temperature: float = 0.8
    seed: int = 1
    strengths: tuple[float, ...] = (1.0,)
    phase: Phase = "all"
    conditions: tuple[str, ...] = DEFAULT_CONDITIONS
    roles: tuple[str, ...] = ("target", "suppress")
    baselines: tuple[str, ...] = ()
    held_out: int = 8
    batch: int = 50

    @property
    def translates(self) -> bool:
        """Whether translations are judged, by meaning too."""
        return "target" in self.roles and "translate" in self.conditions

    def sampling(self, greedy: bool) -> Sampling:
        """How to sample a condition."""
        return Sampling(
            tokens=self.tokens,
            temperature=0.0 if greedy else self.temperature,
            seed=self.seed,
            batch=self.batch,
        )

    def fixed(self) -> dict[str, Any]:
        """What all cells of one evaluation share; the rest may grow when it is resumed."""
        names = ("samples", "tokens", "temperature", "seed", "phase", "held_out")
        return {name: value for name, value in asdict(self).items() if name in names}
