"""What a policy looks at in a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, as far as a policy looks at it.

    Attributes:
        route: its path without a root path.
        tenants: of every API key that it came with; more than one is refused.
        target_header: every value of X-Steering-Target.
        accept_language: every value of Accept-Language.
        body: the parsed JSON body; None where it was not read, or is not JSON.
    """

    route: str
    tenants: frozenset[str] = frozenset()
    target_header: tuple[str, ...] = ()
    accept_language: tuple[str, ...] = ()
    body: Any = None

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body, or nothing where it is no object."""
        return self.body if isinstance(self.body, Mapping) else {}
