"""How to learn an edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from profiles.learning.prefixes import Role


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to learn. With the defaults a 270M model takes a minute or so on two free cores.

    Attributes:
        steps: optimizer steps.
        seconds: wall-clock budget, or None; learning ends at whichever comes first, and the rate
            falls towards it.
        batch: examples a step.
        rate: Adam's step size of offsets and of memories' values, in units of the root mean square
            of the layer's FFN output.
        key_rate: that of memories' keys, whose unit is the input's root mean square.
        bias_rate: that of their biases.
        neuron_rate: that of additions to neurons; see `LearnableNeurons` for the unit.
        gain_rate: that of factors on neurons.
        context, length: at most so many tokens of context and of text.
        early: so many first tokens of a text are learned as they are; the later ones as what the
            unedited model would say there. As many as `length`: all as they are.
        decode_share: share of the examples whose context is left unedited, as with requests that
            ask for phase "decode".
        own_texts: so many texts that the unedited model writes, towards a language in it, away
            from one in each of the others, are to stay as they are; the corpus's lines are where
            these are none or turn out too few.
        negatives: tokens sampled besides those of the corpus; 0 for the whole vocabulary.
        every: steps between two looks at the held-out loss.
        patience: stop after so many looks without improvement.
    """

    steps: int = 50
    seconds: float | None = None
    batch: int = 16
    rate: float = 0.01
    key_rate: float = 0.01
    bias_rate: float = 0.02
    neuron_rate: float = 0.05
    gain_rate: float = 0.02
    context: int = 40
    length: int = 24
    early: int = 4
    decode_share: float = 0.25
    own_texts: Mapping[Role, int] = field(default_factory=lambda: {"target": 64, "suppress": 12})
    negatives: int = 4096
    every: int = 10
    patience: int = 3
