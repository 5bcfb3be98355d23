"""What tells a model's reasoning from its answer, token by token. Pure: no torch, no vLLM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Where a request is, after a token: reasoning, if there is any, comes first, and comes once.
UNDECIDED, REASONING, ANSWER = range(3)


@dataclass(frozen=True, kw_only=True)
class Markers:
    """The tokens between which a model reasons, and the rule that they are read by.

    A prompt's last marker counts where nothing but white space follows it: what stands further up
    is another turn's, or a user's own text. Where it counts, the prompt ends in the reasoning or in
    the answer. Where none does it is undecided until the model's first token that is no white
    space: the start marker begins the reasoning, anything else the answer. An answer, once begun,
    stays one, whatever markers it holds: so vLLM's parsers hand it to clients, too.

    Attributes:
        start, end: of the reasoning.
        blanks: tokens of white space.
    """

    start: int
    end: int
    blanks: frozenset[int] = frozenset()

    def at_end(self, prompt: Sequence[int]) -> int:
        """Where a prompt ends."""
        for token in reversed(prompt):
            if token in (self.start, self.end):
                return REASONING if token == self.start else ANSWER
            if token not in self.blanks:
                break
        return UNDECIDED

    def after(self, state: int, token: int) -> int:
        """Where a request is after another token of its own, of which it was in `state` before."""
        if state == REASONING:
            return ANSWER if token == self.end else REASONING
        if state == UNDECIDED and token in self.blanks:
            return UNDECIDED
        return REASONING if state == UNDECIDED and token == self.start else ANSWER

    def state(self, prompt: Sequence[int], generated: Sequence[int]) -> int:
        """Where a request is after its prompt and what it has generated."""
        state = self.at_end(prompt)
        for token in generated:
            if state == ANSWER:
                break
            state = self.after(state, token)
        return state


def reasons(state: int, *, generated: bool) -> bool:
    """Whether the position after which a request is in `state` has the reasoning's edit.

    Undecided, the prompt's last position has it, since the start marker is what is expected next;
    white space that the model writes has the answer's, or an answer's first words might go without.

    Args:
        state: as above.
        generated: whether the position's token is the model's own.
    """
    return state == REASONING or (state == UNDECIDED and not generated)
