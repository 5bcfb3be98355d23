"""How many cases the fuzz tests run: LANGSTEER_LONG_FUZZ=1 is for the night."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

LONG = bool(os.environ.get("LANGSTEER_LONG_FUZZ"))


def cases(few: int, many: int = 10_000) -> settings:
    """Settings of a fuzz test: `few` examples, or `many` in the long run."""
    return settings(
        max_examples=many if LONG else few,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
