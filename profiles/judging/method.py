"""A way to make a model write: nothing, a steering edit, an instruction, or a baseline's edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from profiles.judging.condition import Row

Apply = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way towards a language, ready to use.

    Attributes:
        name: as in tables; "unsteered" and "steered" are langsteer's own.
        strength: factor on the edit, where the method has one.
        apply: a block within which the offline model is changed; None where it is not.
        instruction: put into every prompt, see `Row.instructed`.
        steering: the request's `steering` field, where a server does it.
    """

    name: str
    strength: float | None = None
    apply: Apply | None = None
    instruction: str | None = None
    steering: Mapping[str, Any] | None = None

    def applied(self) -> AbstractContextManager[object]:
        """The block to generate in."""
        return self.apply() if self.apply else nullcontext()

    def asked(self, row: Row) -> Row:
        """The row as this method asks it."""
        return row.instructed(self.instruction) if self.instruction else row


UNSTEERED = Method(name="unsteered")
