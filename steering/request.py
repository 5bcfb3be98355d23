"""What one request asks of the engine, and its flat form in SamplingParams.extra_args."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Phase = Literal["all", "decode"]
PHASES: tuple[str, ...] = get_args(Phase)
MAX_STRENGTH = 8.0
PREFIX = "langsteer_"

# A combination of edits, composed into one table row: the target's content hash
# ("" for none), then the suppressed profiles' content hashes, sorted.
Combination = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class SteeringRequest:
    """Steering of one request, with profiles named by content hash.

    Names and languages are resolved before this point (server/policy.py), so a request
    keeps the version it started with when a profile is replaced under it.

    Attributes:
        target: content hash of the profile to steer towards, or None.
        suppress: content hashes of the profiles to steer away from; order is irrelevant.
        strength: factor on every edit, 0 < strength <= MAX_STRENGTH; 1.0 is the profile's own.
        phase: "all" edits prompt and answer; "decode" edits from the last prompt token on, the
            first position whose output is sampled, and leaves the rest of the prompt alone.

    Raises:
        ValueError: a field is out of its range, or neither target nor suppress is given.
    """

    target: str | None = None
    suppress: tuple[str, ...] = ()
    strength: float = 1.0
    phase: Phase = "all"

    def __post_init__(self) -> None:
        if not self.target and not self.suppress:
            raise ValueError("a steering request needs a target or something to suppress")
        if not (math.isfinite(self.strength) and 0 < self.strength <= MAX_STRENGTH):
            raise ValueError(
                f"strength is {self.strength}, must be over 0 and at most {MAX_STRENGTH}"
            )
        if self.phase not in PHASES:
            raise ValueError(f"phase is {self.phase!r}, must be one of {', '.join(PHASES)}")
        object.__setattr__(self, "suppress", tuple(sorted(set(self.suppress))))

    @property
    def combination(self) -> Combination:
        """What decides the table row: strength and phase are per token, not per row."""
        return (self.target or "", self.suppress)

    @property
    def fingerprint(self) -> str:
        """Key of everything that changes the KV cache; equal only for equal steering."""
        text = "\0".join([self.target or "", *self.suppress, self.strength.hex(), self.phase])
        return hashlib.sha256(text.encode()).hexdigest()

    def first_position(self, prompt_tokens: int) -> int:
        """First position that is edited, in a request of `prompt_tokens` prompt tokens."""
        return 0 if self.phase == "all" else max(prompt_tokens - 1, 0)

    def to_extra_args(self) -> dict[str, Any]:
        """Flat form: strings, numbers and lists of strings, as `vllm_xargs` allows."""
        out: dict[str, Any] = {
            PREFIX + "strength": float(self.strength),
            PREFIX + "phase": self.phase,
        }
        if self.target:
            out[PREFIX + "target"] = self.target
        if self.suppress:
            out[PREFIX + "suppress"] = list(self.suppress)
        return out

    @classmethod
    def from_extra_args(cls, extra_args: Mapping[str, Any] | None) -> SteeringRequest | None:
        """The inverse of `to_extra_args`; None where the request is unsteered.

        Raises:
            ValueError: keys of ours are there but do not form a valid request.
        """
        ours = {
            key.removeprefix(PREFIX): value
            for key, value in (extra_args or {}).items()
            if key.startswith(PREFIX)
        }
        if not ours:
            return None
        unknown = ours.keys() - {"target", "suppress", "strength", "phase"}
        if unknown:
            raise ValueError(f"unknown steering arguments: {', '.join(sorted(unknown))}")
        target, suppress = ours.get("target"), ours.get("suppress", ())
        strength, phase = ours.get("strength", 1.0), ours.get("phase", "all")
        # From whoever calls the engine: what is wrong is one request's error, whatever it is.
        if not (target is None or isinstance(target, str)):
            raise ValueError(f"target is {target!r}, must be a content hash")
        if not isinstance(suppress, list | tuple) or not all(isinstance(h, str) for h in suppress):
            raise ValueError(f"suppress is {suppress!r}, must be a list of content hashes")
        if isinstance(strength, bool) or not isinstance(strength, int | float):
            raise ValueError(f"strength is {strength!r}, must be a number")
        if not isinstance(phase, str):
            raise ValueError(f"phase is {phase!r}, must be one of {', '.join(PHASES)}")
        try:
            factor = float(strength)
        except OverflowError:
            factor = math.inf
        return cls(
            target=target,
            suppress=tuple(suppress),
            strength=factor,
            phase=phase,  # type: ignore[arg-type]
        )
