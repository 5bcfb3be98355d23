"""Feature probes: does this vLLM have the seams langsteer needs?"""

from __future__ import annotations

import inspect
from typing import Any

# Releases of vLLM that all tests were run on.
TESTED = ("0.32.0",)


def lacking(owner: Any, name: str, first: list[str]) -> list[str]:
    """What is wrong with the function `owner.name`, in words; empty if it can be built on.

    Probes features, not versions: a release that moves nothing we touch keeps working.

    Args:
        owner: a class or module of vLLM.
        first: names of the function's first parameters.
    """
    said = f"{owner.__name__}.{name}"
    function = getattr(owner, name, None)
    if function is None:
        return [f"{said} is gone"]
    found = list(inspect.signature(inspect.unwrap(function)).parameters)
    if found[: len(first)] != first:
        return [f"{said} no longer begins with ({', '.join(first)})"]
    return []


def absent(owner: Any, names: list[str]) -> list[str]:
    """Which of `names` are no fields of the dataclass, or not set where the class is made."""
    made = inspect.unwrap(owner.__init__)
    known = getattr(owner, "__dataclass_fields__", None) or made.__code__.co_names
    return [f"{owner.__name__}.{name} is gone" for name in names if name not in known]
