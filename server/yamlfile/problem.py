"""What is wrong with a file, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from profiles.errors import LangsteerError


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing to mend.

    Attributes:
        place: of the value, e.g. "rules[1] (acme).strength.max"; "" for the whole file.
        line: in the file, from 1; 0 where unknown.
        text: what is wrong, and what is allowed.
    """

    place: str
    line: int
    text: str

    def __str__(self) -> str:
        where = [self.place] if self.place else []
        where += [f"line {self.line}"] if self.line else []
        return f"{', '.join(where)}: {self.text}" if where else self.text


class FileError(LangsteerError):
    """A file that an operator wrote cannot be used.

    Args:
        problems: all that was found.
        file: where it is; each line of the message begins with it. None where only its bytes are
            known.

    Attributes:
        problems: as given.
    """

    def __init__(self, problems: Sequence[Problem], file: Path | None = None) -> None:
        self.problems = tuple(problems)
        named = "" if file is None else f"{file}: "
        super().__init__("\n".join(f"{named}{each}" for each in problems))
