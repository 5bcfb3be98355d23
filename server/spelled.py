"""Text that came as JSON, in a form that can be sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def spelled(value: Any) -> Any:
    """The value with its texts as UTF-8 can hold them: JSON can escape half a character."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {spelled(key): spelled(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [*map(spelled, value)]
    return value
