"""A way to make a model write: nothing, a steering edit, an instruction, or a baseline's edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from profiles.judging.condition import Row

Apply = Callable[[], AbstractContextManager[object]]
ApplyFrom = Callable[[Sequence[int]], AbstractContextManager[object]]


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way towards a language, ready to use.

    Attributes:
        name: as in tables; "unsteered" and "steered" are langsteer's own.
        strength: factor on the edit, where the method has one.
        apply: a block within which the offline model is changed; None where it is not.
        apply_from: the same from a position a row on, BOS being 0, where prompts are left alone;
            None where what is written takes `apply`.
        instruction: put into every prompt, see `Row.instructed`.
        steering: the request's `steering` field, where a server does it.
    """

    name: str
    strength: float | None = None
    apply: Apply | None = None
    apply_from: ApplyFrom | None = None
    instruction: str | None = None
    steering: Mapping[str, Any] | None = None

    def applied(self) -> AbstractContextManager[object]:
        """The block to read natural text in: all of it, as if it were an answer."""
        return self.apply() if self.apply else nullcontext()

    def writing(self, prompt_tokens: Sequence[int]) -> AbstractContextManager[object]:
        """The block to write in.

        Args:
            prompt_tokens: length of each row's prompt, BOS included.
        """
        if self.apply_from is None:
            return self.applied()
        # The last prompt token's output is the first that is sampled from.
        return self.apply_from([max(0, count - 1) for count in prompt_tokens])

    def asked(self, row: Row) -> Row:
        """The row as this method asks it."""
        return row.instructed(self.instruction) if self.instruction else row


UNSTEERED = Method(name="unsteered")
