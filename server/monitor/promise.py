"""What an answer's language was to be."""

from __future__ import annotations

from dataclasses import dataclass

from server.monitor.prose import Excluded

EXCLUDE: tuple[Excluded, ...] = ("code", "quotes")
TOLERATE = 0.1


@dataclass(frozen=True, kw_only=True)
class Promise:
    """The languages that an answer should and should not be in, and what is not counted.

    Attributes:
        wanted: primary language, e.g. "de"; "" where none was promised.
        unwanted: the languages that were suppressed; they count where `wanted` is "".
        exclude: what of an answer is left out, as in `prose`.
        tolerate: share of an answer that may be in another language, 0 to 1.
    """

    wanted: str = ""
    unwanted: tuple[str, ...] = ()
    exclude: frozenset[Excluded] = frozenset(EXCLUDE)
    tolerate: float = TOLERATE
