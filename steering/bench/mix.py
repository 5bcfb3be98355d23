"""Many kinds of steering at once: what the worst batch looks like."""

from __future__ import annotations

from collections.abc import Sequence

from profiles.errors import ProfileError
from profiles.profile import Profile
from steering.request import PHASES, SteeringRequest

_WEAKEST, _STRONGEST = 0.5, 1.5
_UNSTEERED = 5  # every fifth request of a mixed batch


def combinations(profiles: Sequence[Profile], count: int) -> list[SteeringRequest]:
    """`count` different kinds of steering: every profile's edits, at all strengths and phases.

    No strength comes twice, so no two are alike. Alternately towards a language, away from one,
    and towards one and away from the next.

    Raises:
        ProfileError: there is no profile.
    """
    if not profiles:
        raise ProfileError("no profiles to steer with")
    kinds: list[tuple[str | None, tuple[str, ...]]] = []
    for n, profile in enumerate(profiles):
        other = profiles[(n + 1) % len(profiles)]
        here = profile.content_hash
        if profile.target:
            kinds.append((here, ()))
        if profile.suppress:
            kinds.append((None, (here,)))
        if profile.target and other is not profile and other.suppress:
            kinds.append((here, (other.content_hash,)))
    step = (_STRONGEST - _WEAKEST) / max(1, count - 1)
    return [
        SteeringRequest(
            target=target,
            suppress=suppress,
            strength=_WEAKEST + n * step,
            phase=PHASES[n // len(kinds) % len(PHASES)],  # type: ignore[arg-type]
        )
        for n, (target, suppress) in ((n, kinds[n % len(kinds)]) for n in range(count))
    ]


def mixed(steering: Sequence[SteeringRequest], count: int) -> list[SteeringRequest | None]:
    """Steering of a batch of `count` requests: all of it in turn, every fifth request unsteered."""
    out: list[SteeringRequest | None] = []
    for n in range(count):
        unsteered = n % _UNSTEERED == _UNSTEERED - 1
        out.append(None if unsteered else steering[(n - n // _UNSTEERED) % len(steering)])
    return out
