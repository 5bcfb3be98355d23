"""What a policy decided for one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from server.applied import AppliedSteering
from server.policy.terms import Terms

HEADER = "X-Steering-Policy"
NO_RULE = "-"
EXEMPT = "exempt"
Result = Literal["steered", "unsteered", "exempt", "refused"]


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """The rule that a request met, and what follows for it.

    Attributes:
        rule: its name.
        applied: the steering, or None where the request is served unsteered.
        reason: why something that the rule steers is left out; "" where nothing is.
        terms: the rule's; None where nobody needs them.
        tenant: whose key the request came with; "" where nobody's.
    """

    rule: str
    applied: AppliedSteering | None
    reason: str = ""
    terms: Terms | None = None
    tenant: str = ""

    @property
    def result(self) -> Result:
        """What comes of the request; a metric's label."""
        if self.applied is not None:
            return "steered"
        return "exempt" if self.reason == EXEMPT else "unsteered"

    def header(self) -> str:
        """Value of X-Steering-Profile: what is applied, and what is not and why."""
        parts = [self.applied.header() if self.applied else "none"]
        if self.reason:
            parts.append(f"reason={self.reason}")
        return "; ".join(parts)

    def always(self) -> tuple[tuple[bytes, bytes], ...]:
        """The raw header that names the rule, for answers of any status."""
        return ((HEADER.lower().encode(), self.rule.encode()),)
