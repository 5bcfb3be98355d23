"""What the server needs of the engine; steering.engine.control implements it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from steering.request import SteeringRequest


class EngineFacts(Protocol):
    """Figures of the engine, all workers in agreement."""

    @property
    def engines(self) -> int: ...

    @property
    def workers(self) -> int: ...

    @property
    def rows(self) -> int: ...

    @property
    def rows_in_use(self) -> int: ...

    @property
    def edited_tokens(self) -> int: ...

    @property
    def profiles(self) -> Sequence[str]: ...

    @property
    def columns(self) -> Sequence[int]: ...

    @property
    def columns_taken(self) -> Sequence[int]: ...

    @property
    def memories(self) -> int: ...

    @property
    def memories_taken(self) -> int: ...

    @property
    def no_reasoning(self) -> str: ...


class Control(Protocol):
    """The engine's side of loading profiles. Every method raises EngineError on failure."""

    async def handshake(self) -> None:
        """Prove that every worker is armed."""

    async def load(self, data: bytes) -> str:
        """Load a profile file's bytes into every worker; returns its content hash."""

    async def unload(self, content_hash: str) -> None:
        """Remove a profile that no request in the engine uses from every worker, or from none."""

    async def in_use(self, content_hash: str) -> bool:
        """Whether a request in the engine, queued ones included, uses the profile."""

    async def canary(self, requests: Sequence[SteeringRequest], strongest: float) -> None:
        """Prove that each request changes logits, and that no steering changes none.

        Up to the strength `strongest` logits must stay numbers.
        """

    async def facts(self) -> EngineFacts:
        """The engine's figures."""
