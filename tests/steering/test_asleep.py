"""No profile is loaded into an engine that sleeps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from steering.engine.control import EngineControl
from steering.errors import EngineError


async def test_loading_into_a_sleeping_engine_is_refused() -> None:
    """Its memory is not mapped on a GPU; on any device the proof after it would never end."""

    async def is_sleeping() -> bool:
        return True

    def asked(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a worker was asked")

    client = SimpleNamespace(
        is_sleeping=is_sleeping,
        collective_rpc=asked,
        engine_core=SimpleNamespace(call_utility_all_async=asked),
    )
    with pytest.raises(EngineError, match="asleep or paused; wake it up"):
        await EngineControl(client).load(b"")
