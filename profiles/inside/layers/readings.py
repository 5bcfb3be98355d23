"""What a model's FFNs did on parallel text, sentence by sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Floats

# The paper's names for the two halves of an FFN: the neurons, which are what the first projection
# (or gate and up) makes, and the units of the FFN's output, which the second one makes.
Half = Literal["detectors", "combinators"]
HALVES: tuple[Half, ...] = get_args(Half)


@dataclass(frozen=True, kw_only=True, eq=False)
class Readings:
    """Sentence k * lines + s is line s of language k. Special tokens and padding are left out.

    Attributes:
        languages: BCP 47 tags.
        lines: sentences of each language.
        tokens: int64 [languages, lines].
        responses: by half, float32 [sentences, layers, units], means over a sentence's tokens;
            memory-mapped where they are large.
        active: float16 [sentences, layers, neurons], the number of tokens with act(gate) > 0, of
            FFNs without a gate with a neuron > 0.
        shapes: by half, float32 [2, languages, lines, layers]: sparsity and flatness, see `shape`,
            means over a sentence's tokens.
        output_norms: float64 [layers], length of the FFN's output, mean over all tokens.
    """

    languages: tuple[str, ...]
    lines: int
    tokens: NDArray[np.int64]
    responses: Mapping[Half, Floats]
    active: Floats
    shapes: Mapping[Half, Floats]
    output_norms: NDArray[np.float64]

    @property
    def layers(self) -> int:
        return int(self.active.shape[1])

    def units(self, half: Half) -> int:
        """Units a layer."""
        return int(self.responses[half].shape[2])

    @property
    def labels(self) -> NDArray[np.int32]:
        """int32 [sentences], index of each sentence's language."""
        return np.repeat(np.arange(len(self.languages), dtype=np.int32), self.lines)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Each two languages, by index, the first the smaller."""
        count = len(self.languages)
        return [(a, b) for a in range(count) for b in range(a + 1, count)]

    @property
    def pair_names(self) -> tuple[str, ...]:
        """As `pairs`, e.g. "de/en"."""
        return tuple(f"{self.languages[a]}/{self.languages[b]}" for a, b in self.pairs)
