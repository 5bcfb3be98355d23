"""One request's wish, field by field, resolved against the profiles on offer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from server.applied import AppliedSteering, Away, Reasoning
from server.catalog import Catalog, Entry
from server.errors import PolicyError
from server.names import Names, type_error
from server.shown import shown
from steering.request import MAX_SUPPRESS, PHASES, Phase

FIELD = "steering"
HEADER = "X-Steering-Target"
REASONING = "reasoning"
OFF, AS_ANSWER = "off", "answer"
KEYS = ("target", "suppress", "strength", "phase", "profile", REASONING)
# What steers the reasoning apart has no phase, and no reasoning of its own.
_APART = ("target", "suppress", "strength", "profile")
_PHASES = ", ".join(PHASES)
_REASONINGS = f'"{AS_ANSWER}", "{OFF}", or an object with {", ".join(_APART)}'


class Wish:
    """One request's `steering` field and header, on their way to a decision.

    Args:
        wish: the field's value.
        header, catalog, max_strength: as in `decide`.
        field, keys: its name and those that it may have: a part of it is a wish too.

    Raises:
        PolicyError: it is no object, or has other keys.
    """

    def __init__(
        self,
        wish: Any,
        header: Sequence[str],
        catalog: Catalog,
        max_strength: float,
        *,
        field: str = FIELD,
        keys: Sequence[str] = KEYS,
    ) -> None:
        if wish is None:
            wish = {}
        known = ", ".join(keys)
        if not isinstance(wish, Mapping):
            raise type_error(field, wish, f"an object with {known}")
        if unknown := sorted(set(wish) - set(keys)):
            raise PolicyError(
                f"{field} has the unknown key {shown(unknown[0])}; known are {known}",
                param=f"{field}." + shown(unknown[0]).strip('"'),
                reason="unknown_key",
            )
        self._wish = wish
        self._field = field
        self._header = header
        self._catalog = catalog
        self._names = Names(catalog)
        self._max_strength = max_strength

    def resolve(self) -> AppliedSteering:
        target = self.target()
        away = self.suppress()
        reasoning = self.reasoning()
        if target is None and not away and not isinstance(reasoning, AppliedSteering):
            raise self.nothing()
        self.check_apart(target, away)
        self.check_strength(target, away)
        strength, phase = self.strength(), self.phase(apart=reasoning is not None)
        return replace(AppliedSteering.of(target, away, strength, phase), reasoning=reasoning)

    def asked(self) -> frozenset[str]:
        """The keys that the client set, null being absent; the header is "header"."""
        keys = {key for key in KEYS if self._wish.get(key) is not None}
        return frozenset(keys | {"header"} if self._header else keys)

    def nothing(self) -> PolicyError:
        """The error of a wish that names neither target nor suppress."""
        return PolicyError(
            f"{self._field} asks for nothing: give target, suppress or profile, or leave it out",
            param=self._field,
            reason="bad_value",
        )

    def check_apart(self, target: Entry | None, away: Iterable[Away]) -> None:
        """Refuse to suppress the target itself.

        Raises:
            PolicyError: one of `away` is of the target's language.
        """
        field = f"{self._field}.suppress"
        for entry, _ in away:
            if target is not None and entry.alike(target):
                raise PolicyError(
                    f"{field} holds {shown(entry.profile.language)}, the target itself",
                    param=field,
                    reason="conflict",
                )

    def check_strength(self, target: Entry | None, away: Sequence[Away]) -> None:
        """Refuse a strength of nothing.

        Raises:
            PolicyError: one was sent, and the answer has no edit: the reasoning alone is steered.
        """
        if target is None and not away and "strength" in self.asked():
            field = f"{self._field}.strength"
            raise PolicyError(
                f"{field} is {shown(self._wish['strength'])}, and nothing steers the answer; "
                f"leave it out, or give a target: the reasoning's own strength is "
                f"{self._field}.{REASONING}.strength",
                param=field,
                reason="conflict",
            )

    def target(self) -> Entry | None:
        """The one profile that field, header and `profile` agree on."""
        chosen: Entry | None = None
        field = f"{self._field}.target"
        if (text := self._wish.get("target")) is not None:
            chosen = self._names.language(text, field, "target")
        if len(self._header) > 1:
            raise PolicyError(
                f"the header {HEADER} was sent {len(self._header)} times, may be sent once",
                param=HEADER,
                reason="conflict",
            )
        if self._header:
            other = self._names.language(self._header[0].strip(), HEADER, "target")
            if chosen is not None and other is not chosen:
                raise PolicyError(
                    f"{field} means profile {chosen.label}, the header {HEADER} means "
                    f"{other.label}; send one of them, or the same",
                    param=HEADER,
                    reason="conflict",
                )
            chosen, field = other, field if chosen else HEADER
        if (text := self._wish.get("profile")) is None:
            return chosen
        named = self._names.profile(text, f"{self._field}.profile")
        # A language may have several profiles: the target says which language, the profile
        # which of them.
        if chosen is not None and chosen.tag.distance(named.tag) is None:
            raise PolicyError(
                f"{self._field}.profile is {named.label}, a profile of {named.profile.language}, "
                f"but {field} asks for {chosen.profile.language}; send one of them",
                param=f"{self._field}.profile",
                reason="conflict",
            )
        return named

    def suppress(self) -> tuple[Away, ...]:
        """The profiles to steer away from, by name, each with its own strength if it has one."""
        value = self._wish.get("suppress")
        field = f"{self._field}.suppress"
        if value is None:
            return ()
        if not isinstance(value, list | Mapping):
            expected = 'a list of language tags such as ["zh"], or strengths such as {"zh": 0.5}'
            raise type_error(field, value, expected)
        if len(value) > MAX_SUPPRESS:
            raise PolicyError(
                f"{field} has {len(value)} languages, may have at most {MAX_SUPPRESS}",
                param=field,
                reason="bad_value",
            )
        found: dict[str, tuple[Entry, float | None]] = {}
        named = value.items() if isinstance(value, Mapping) else ((text, None) for text in value)
        for i, (text, given) in enumerate(named):
            place = f"{field}[{i if isinstance(value, list) else shown(text)}]"
            entry = self._names.language(text, place, "suppress")
            own = None if given is None else self._strength(place, given)
            if found.setdefault(entry.name, (entry, own))[1] != own:
                raise PolicyError(
                    f"{place} means profile {entry.label}, which has another strength already",
                    param=field,
                    reason="conflict",
                )
        return tuple(found[name] for name in sorted(found))

    def _strength(self, field: str, value: Any) -> float:
        expected = f"a number over 0 and at most {self._max_strength:g}"
        if value is None:
            return min(1.0, self._max_strength)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise type_error(field, value, expected)
        if not 0 < value <= self._max_strength:  # NaN fails every comparison
            out = "for an unsteered answer leave `steering` out"
            if not field.endswith(".strength"):
                out = "a language that is not to be suppressed is left out"
            hint = f"; {out}" if value == 0 else ""
            raise PolicyError(
                f"{field} is {shown(value)}, must be {expected}{hint}",
                param=field,
                reason="bad_value",
            )
        return float(value)

    def strength(self) -> float:
        """The strength asked for; 1, or what is allowed if less, where none is."""
        return self._strength(f"{self._field}.strength", self._wish.get("strength"))

    def reasoning(self, strength: float | None = None) -> Reasoning:
        """What is asked for the reasoning; None where it is to be as the answer.

        Args:
            strength: of a reasoning that names none; 1, or what is allowed if less, where None.
        """
        value = self._wish.get(REASONING)
        field = f"{self._field}.{REASONING}"
        if value is None or value == AS_ANSWER:
            return None
        if value == OFF:
            return "off"
        if isinstance(value, str):
            raise PolicyError(
                f"{field} is {shown(value)}, must be {_REASONINGS}", param=field, reason="bad_value"
            )
        if not isinstance(value, Mapping):
            raise type_error(field, value, _REASONINGS)
        own = Wish(value, (), self._catalog, self._max_strength, field=field, keys=_APART)
        target, away = own.target(), own.suppress()
        if target is None and not away:
            raise own.nothing()
        own.check_apart(target, away)
        by = strength if strength is not None and "strength" not in own.asked() else own.strength()
        return AppliedSteering.of(target, away, by, "decode")

    def phase(self, *, apart: bool = False) -> Phase:
        """The phase asked for, "all" where none is.

        Args:
            apart: the reasoning is steered apart from the answer, which is so in "decode" only.
        """
        value = self._wish.get("phase")
        field = f"{self._field}.phase"
        if value is None:
            return "decode" if apart else "all"
        if not isinstance(value, str):
            raise type_error(field, value, f"one of {_PHASES}")
        if value not in PHASES:
            raise PolicyError(
                f"{field} is {shown(value)}, must be one of {_PHASES}",
                param=field,
                reason="bad_value",
            )
        if apart and value != "decode":
            raise PolicyError(
                f'{field} is {shown(value)}, and beside {self._field}.{REASONING} it is "decode": '
                "a prompt is neither reasoning nor answer. Leave one of them out",
                param=field,
                reason="conflict",
            )
        return cast(Phase, value)
