"""The request that an answer belongs to, as far as the monitor needs to know it."""

from __future__ import annotations

from dataclasses import dataclass

from server.applied import AppliedSteering
from server.monitor.promise import EXCLUDE, TOLERATE, Promise
from server.monitor.reader import Part
from server.policy.ruling import Ruling


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose answer it is and what it was to be.

    Attributes:
        promise: the languages that it should and should not be in.
        reasoning: those of the reasoning, where it is steered apart; None: the same.
        route: of the request.
        policy: the rule that was met; "" without a policy.
        tenant: of the policy; "" where it was nobody's key.
        steering: as in X-Steering-Profile, where the answer has it: what was applied, or "none".
        strength, phase: of the steering; 0 and "" where there is none.
    """

    promise: Promise
    route: str
    policy: str = ""
    tenant: str = ""
    steering: str = "none"
    strength: float = 0.0
    phase: str = ""
    reasoning: Promise | None = None

    def promised(self, part: Part) -> Promise:
        """What was promised of a part of the answer."""
        return self.reasoning if part == "reasoning" and self.reasoning else self.promise

    @classmethod
    def of(cls, route: str, applied: AppliedSteering | None, ruling: Ruling | None) -> Subject:
        """From what was decided: the promise is kept as the rule's `monitor` says."""
        terms = ruling.terms if ruling else None
        exclude = terms.exclude if terms else frozenset(EXCLUDE)
        tolerate = terms.tolerate if terms else TOLERATE

        def promise(applied: AppliedSteering | None) -> Promise:
            return Promise(
                wanted=applied.target.tag.language if applied and applied.target else "",
                unwanted=tuple(entry.tag.language for entry in applied.suppress) if applied else (),
                exclude=exclude,
                tolerate=tolerate,
            )

        apart = applied.reasoning if applied else None
        reasoning = promise(apart if isinstance(apart, AppliedSteering) else None)
        return cls(
            promise=promise(applied),
            reasoning=None if apart is None else reasoning,
            route=route,
            policy=ruling.rule if ruling else "",
            tenant=ruling.tenant if ruling else "",
            steering=told.header() if (told := ruling or applied) else "none",
            strength=applied.strength if applied else 0.0,
            phase=applied.phase if applied else "",
        )
