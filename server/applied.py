"""The steering that was decided for one request, in the forms others need it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Union

from server.catalog import Entry
from steering.request import Phase, SteeringRequest

# A profile to steer away from, and its own strength if it has one.
Away = tuple[Entry, float | None]
# How the reasoning is steered: by an edit of its own, not at all, or (None) as the answer is.
Reasoning = Union["AppliedSteering", Literal["off"], None]
_STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, kw_only=True)
class AppliedSteering:
    """Steering of one request, names resolved.

    Attributes:
        target: profile to steer towards, or None.
        suppress: profiles to steer away from, by name.
        suppress_strengths, strength, phase: as in SteeringRequest.
        reasoning: what holds for the reasoning instead; all else is then the answer's alone.
    """

    target: Entry | None
    suppress: tuple[Entry, ...]
    suppress_strengths: tuple[float, ...] = ()
    strength: float
    phase: Phase
    reasoning: Reasoning = None

    @classmethod
    def of(
        cls, target: Entry | None, away: Sequence[Away], strength: float, phase: Phase
    ) -> AppliedSteering:
        """From parts in which a strength may be left open; `away` is sorted by name."""
        strengths = [strength if own is None else own for _, own in away]
        return cls(
            target=target,
            suppress=tuple(entry for entry, _ in away),
            suppress_strengths=tuple(strengths) if any(s != strength for s in strengths) else (),
            strength=strength,
            phase=phase,
        )

    def request(self) -> SteeringRequest:
        """What the engine is told: content hashes, so a reload cannot change it under way."""
        apart = self.reasoning
        return SteeringRequest(
            target=self.target.profile.content_hash if self.target else None,
            suppress=tuple(entry.profile.content_hash for entry in self.suppress),
            suppress_strengths=self.suppress_strengths,
            strength=self.strength,
            phase=self.phase,
            reasoning=apart.request() if isinstance(apart, AppliedSteering) else apart,
        )

    def hashes(self) -> tuple[str, ...]:
        """Content hashes of every profile it needs."""
        return self.request().hashes

    def header(self) -> str:
        """Value of X-Steering-Profile: `de@1a2b3c4d5e6f; suppress="zh@…"; strength=1; phase=all`.

        A request that only suppresses has "-" in the first place. A strength of its own follows a
        suppressed profile: `suppress="zh@…:0.5"`. Where nothing steers the answer there is no
        `strength`. Where the reasoning is steered apart, what holds
        for it follows: `reasoning=off`, or `reasoning=en@…; reasoning-suppress="zh@…";
        reasoning-strength=1`.
        """
        parts = [self._target(), *self._away("")]
        if self.target or self.suppress:
            parts.append(f"strength={self.strength:g}")
        parts.append(f"phase={self.phase}")
        if isinstance(apart := self.reasoning, AppliedSteering):
            parts += [f"reasoning={apart._target()}", *apart._away("reasoning-")]
            parts.append(f"reasoning-strength={apart.strength:g}")
        elif apart is not None:
            parts.append(f"reasoning={apart}")
        return "; ".join(parts)

    def _target(self) -> str:
        return self.target.label if self.target else "-"

    def _away(self, prefix: str) -> list[str]:
        away = [entry.label for entry in self.suppress]
        if self.suppress_strengths:
            pairs = zip(away, self.suppress_strengths, strict=True)
            away = [f"{label}:{strength:g}" for label, strength in pairs]
        return [f'{prefix}suppress="{",".join(away)}"'] if away else []

    def labels(self) -> dict[str, str]:
        """Metric labels of few values: strength by bucket, sets of suppressed as "several"."""
        suppressed = [entry.name for entry in self.suppress]
        return {
            "target": self.target.name if self.target else "",
            "suppress": suppressed[0] if len(suppressed) == 1 else "several" * bool(suppressed),
            "strength": next(f"<={b:g}" for b in _STRENGTHS if self.strength <= b),
            "phase": self.phase,
        }
