"""What one request asks of the engine, and its flat form in SamplingParams.extra_args."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

Phase = Literal["all", "decode"]
PHASES: tuple[str, ...] = get_args(Phase)
MAX_STRENGTH = 8.0
MAX_SUPPRESS = 16  # languages of one request
PREFIX = "langsteer_"


class Part(NamedTuple):
    """One profile's edit in a combination.

    Attributes:
        role: which of the profile's edits.
        factor: on it, beside the strength of the tokens.
    """

    content_hash: str
    role: Literal["target", "suppress"]
    factor: float


# Edits composed into one table row: the target's, then those of the suppressed, by content hash.
Combination = tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class SteeringRequest:
    """Steering of one request, with profiles named by content hash.

    Names and languages are resolved before this point (server/decide.py), so a request
    keeps the version it started with when a profile is replaced under it.

    Attributes:
        target: content hash of the profile to steer towards, or None.
        suppress: content hashes of the profiles to steer away from; order is irrelevant.
        suppress_strengths: a factor for each of `suppress`; none given, `strength` is theirs too.
        strength: factor on every other edit; 1.0 is the profile's own. All are over 0 and at most
            MAX_STRENGTH.
        phase: "all" edits prompt and answer; "decode" edits from the last prompt token on, the
            first position whose output is sampled, and leaves the rest of the prompt alone.
        reasoning: what holds while the model reasons: "off", nothing; a request, that instead, all
            else here being the answer's alone; None, the same as for the answer. Anything but None
            goes with phase "decode" only, as does the request, which has no `reasoning` itself.

    Raises:
        ValueError: a field is out of its range, or nothing is given to steer by.
    """

    target: str | None = None
    suppress: tuple[str, ...] = ()
    suppress_strengths: tuple[float, ...] = ()
    strength: float = 1.0
    phase: Phase = "all"
    reasoning: SteeringRequest | Literal["off"] | None = None

    def __post_init__(self) -> None:
        if not self.target and not self.suppress:
            if not isinstance(self.reasoning, SteeringRequest):
                raise ValueError("a steering request needs a target or something to suppress")
            object.__setattr__(self, "strength", 1.0)  # of nothing
        self._check_reasoning()
        for strength in (self.strength, *self.suppress_strengths):
            if not (math.isfinite(strength) and 0 < strength <= MAX_STRENGTH):
                raise ValueError(
                    f"strength is {strength}, must be over 0 and at most {MAX_STRENGTH}"
                )
        if self.phase not in PHASES:
            raise ValueError(f"phase is {self.phase!r}, must be one of {', '.join(PHASES)}")
        away = self.suppress
        strengths = self.suppress_strengths or (self.strength,) * len(away)
        if len(strengths) != len(away):
            raise ValueError(f"{len(strengths)} strengths for {len(away)} suppressed profiles")
        pairs = sorted({*zip(away, strengths, strict=True)})
        if len(pairs) != len({*away}):
            raise ValueError("a suppressed profile has two strengths")
        # One form for one meaning: requests that steer alike are equal, and share cache blocks.
        own = tuple(by for _, by in pairs) if any(by != self.strength for _, by in pairs) else ()
        object.__setattr__(self, "suppress", tuple(content_hash for content_hash, _ in pairs))
        object.__setattr__(self, "suppress_strengths", own)

    def _check_reasoning(self) -> None:
        if self.reasoning is None:
            return
        if self.phase != "decode":
            raise ValueError(f"phase is {self.phase!r}, must be 'decode' beside reasoning")
        if isinstance(self.reasoning, SteeringRequest):
            if self.reasoning.phase != "decode" or self.reasoning.reasoning is not None:
                raise ValueError("reasoning is steered in phase 'decode', and has no reasoning")
        elif self.reasoning != "off":
            raise ValueError(f"reasoning is {self.reasoning!r}, must be 'off' or a request")

    @property
    def hashes(self) -> tuple[str, ...]:
        """Content hashes of all profiles that it names."""
        own = (*([self.target] if self.target else []), *self.suppress)
        apart = self.reasoning.hashes if isinstance(self.reasoning, SteeringRequest) else ()
        return (*own, *apart)

    @property
    def combination(self) -> Combination:
        """What decides the table row; empty where only the reasoning is steered.

        Phase is of the tokens, and so is the strength where there is but one. Several are in the
        row, and `row_strength` is then 1.
        """
        own = self.strength if self.suppress_strengths else 1.0
        target = [Part(self.target, "target", own)] if self.target else []
        strengths = self.suppress_strengths or (1.0,) * len(self.suppress)
        away = zip(self.suppress, strengths, strict=True)
        return (*target, *(Part(one, "suppress", by) for one, by in away))

    @property
    def row_strength(self) -> float:
        """Factor on the whole row, of each token."""
        return 1.0 if self.suppress_strengths else self.strength

    @property
    def fingerprint(self) -> str:
        """Key of everything that changes the KV cache; equal only for equal steering."""
        strengths = (self.strength, *self.suppress_strengths)
        named = [self.target or "", *self.suppress, *(s.hex() for s in strengths), self.phase]
        if isinstance(self.reasoning, SteeringRequest):
            named += ["reasoning", self.reasoning.fingerprint]
        elif self.reasoning is not None:
            named += ["reasoning", self.reasoning]
        text = "\0".join(named)
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
        if isinstance(self.reasoning, SteeringRequest):
            for key, value in self.reasoning.to_extra_args().items():
                if key != PREFIX + "phase":
                    out[PREFIX + _APART + key.removeprefix(PREFIX)] = value
        elif self.reasoning is not None:
            out[PREFIX + "reasoning"] = self.reasoning
        if self.target:
            out[PREFIX + "target"] = self.target
        if self.suppress:
            out[PREFIX + "suppress"] = list(self.suppress)
        if self.suppress_strengths:
            out[PREFIX + "suppress_strengths"] = list(self.suppress_strengths)
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
        apart = {
            key.removeprefix(_APART): ours.pop(key) for key in [*ours] if key.startswith(_APART)
        }
        reasoning = ours.pop("reasoning", None)
        if apart:
            if reasoning is not None:
                raise ValueError(f"reasoning is {reasoning!r}, and arguments of its own are given")
            if "phase" in apart:
                raise ValueError("reasoning has no phase of its own")
            reasoning = cls(**{**_fields(apart, _APART), "phase": "decode"})
        elif reasoning not in (None, "off"):
            raise ValueError(f"reasoning is {reasoning!r}, must be 'off'")
        return cls(**_fields(ours), reasoning=reasoning)


_APART = "reasoning_"
_FIELDS = frozenset({"target", "suppress", "suppress_strengths", "strength", "phase"})


def _fields(ours: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A request's fields from its flat form; `prefix` is that of the names, for errors."""
    if unknown := ours.keys() - _FIELDS:
        named = ", ".join(sorted(prefix + key for key in unknown))
        raise ValueError(f"unknown steering arguments: {named}")
    target, suppress = ours.get("target"), ours.get("suppress", ())
    phase, strengths = ours.get("phase", "all"), ours.get("suppress_strengths", ())
    # From whoever calls the engine: what is wrong is one request's error, whatever it is.
    if not (target is None or isinstance(target, str)):
        raise ValueError(f"{prefix}target is {target!r}, must be a content hash")
    if not isinstance(suppress, list | tuple) or not all(isinstance(h, str) for h in suppress):
        raise ValueError(f"{prefix}suppress is {suppress!r}, must be a list of content hashes")
    if not isinstance(strengths, list | tuple):
        raise ValueError(f"{prefix}suppress_strengths is {strengths!r}, must be a list of numbers")
    if not isinstance(phase, str):
        raise ValueError(f"phase is {phase!r}, must be one of {', '.join(PHASES)}")
    return {
        "target": target,
        "suppress": tuple(suppress),
        "suppress_strengths": tuple(map(_number, strengths)),
        "strength": _number(ours.get("strength", 1.0)),
        "phase": phase,
    }


def _number(strength: Any) -> float:
    if isinstance(strength, bool) or not isinstance(strength, int | float):
        raise ValueError(f"strength is {strength!r}, must be a number")
    try:
        return float(strength)
    except OverflowError:
        return math.inf
