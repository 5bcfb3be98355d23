"""What langsteer needs of one of vLLM's model runners."""

from __future__ import annotations

from typing import Any, Protocol


class Runner(Protocol):
    """One of vLLM's model runners, as langsteer sees it.

    An implementation arms the model once it is loaded (`arm`), tells its `Batch` who joins and
    who leaves, before each forward pass which tokens are whose, and when a pass serves
    nobody. Where the batch's buffers lie never changes, so that graphs may read them.
    """

    @property
    def name(self) -> str:
        """vLLM's name for it."""

    @property
    def instead(self) -> str:
        """What an operator can do where it lacks something."""

    def missing(self) -> list[str]:
        """What this vLLM's runner lacks, in words; empty if langsteer can steer with it."""

    def install(self) -> None:
        """Install the patches; nothing may be missing. Inert for engines not to be steered."""

    def drives(self, runner: Any) -> bool:
        """Whether `runner` is of this kind."""
