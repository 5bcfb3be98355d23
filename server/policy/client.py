"""The client's part in a policy's decision: what it asks for, held against what it may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from server.applied import AppliedSteering, Away, Reasoning
from server.catalog import Catalog, Entry
from server.errors import ForbiddenError, PolicyError
from server.languages import LanguageTag
from server.policy.asked import Asked
from server.policy.book import Clause
from server.policy.sources import Tried
from server.shown import shown
from server.wish import AS_ANSWER, FIELD, HEADER, REASONING, Wish
from steering.request import Phase


class Client:
    """One request's wish under one rule.

    Args:
        clause: the rule.
        asked: the request; its body is an object.
        catalog: the profiles on offer.
        max_strength: the largest strength the server allows.

    Raises:
        PolicyError: the wish is malformed, or cannot be given.
        ForbiddenError: it sets what the rule does not let clients set.
    """

    def __init__(self, clause: Clause, asked: Asked, catalog: Catalog, max_strength: float) -> None:
        given: Any = asked.fields.get(FIELD)
        self._clause = clause
        self._given = given
        self._wish = Wish(given, asked.target_header, catalog, max_strength)
        self._set = self._wish.asked()
        self.asks = given is not None or bool(asked.target_header)
        self._check_overrides()
        self._target = self._wish.target()
        if self._target is not None and any(map(clause.terms.denies, self._named(asked))):
            raise self._forbidden(
                f"{self._place()} asks for {self._target.profile.language}, which the policy's "
                f"rule {clause.name} denies",
                self._place(),
            )

    def source(self, kind: str) -> Tried:
        """What the source `field` or `header` names."""
        named = "header" in self._set if kind == "header" else bool(self._set & _NAMES)
        if self._target is None or not named:
            return Tried(source=kind, note="not sent", why="no-language")
        return Tried(source=kind, entry=self._target, note=self._target.profile.language)

    def agreed(self, decided: Entry | None) -> Entry | None:
        """The target: what the policy's sources decided, or the client's profile of that language.

        Raises:
            ForbiddenError: the client names another language.
        """
        if self._target is None or self._target is decided:
            return decided
        if decided is None or decided.tag.distance(self._target.tag) not in {0, 1}:
            language = decided.profile.language if decided else "none"
            raise self._forbidden(
                f"{self._place()} asks for {self._target.label}, but by the policy's rule "
                f"{self._clause.name} the language of this request is {language}",
                self._place(),
            )
        return self._target

    def suppress(self, target: Entry | None, own: Mapping[str, Away]) -> tuple[Away, ...]:
        """What the policy suppresses and what the client does, by name.

        Raises:
            PolicyError: the client suppresses the target, or changes a strength of the policy's.
        """
        away = dict(own)
        theirs = self._wish.suppress()
        self._wish.check_apart(target, theirs)
        for entry, strength in theirs:
            if strength is not None:
                self._within(strength, f"{FIELD}.suppress")
            ours = away.setdefault(entry.name, (entry, strength))[1]
            if strength is not None and strength != ours:
                raise PolicyError(
                    f"{FIELD}.suppress gives {entry.name} a strength, and the policy's rule "
                    f"{self._clause.name} has set one",
                    param=f"{FIELD}.suppress",
                    reason="conflict",
                )
        return tuple(away[name] for name in sorted(away))

    def strength(self, target: Entry | None, away: tuple[Away, ...], *, lacks: bool) -> float:
        """The client's strength, or the rule's.

        Args:
            target, away: what steers the answer.
            lacks: the rule steers the answer too, and finds nothing to do so by in this request.

        Raises:
            PolicyError: it is not within the rule's range, or no answer's.
        """
        if not lacks:
            self._wish.check_strength(target, away)
        if "strength" not in self._set:
            return self._clause.terms.strength
        strength = self._wish.strength()
        self._within(strength, f"{FIELD}.strength")
        return strength

    def phase(self, reasoning: Reasoning) -> Phase:
        """The client's phase, or the rule's.

        Args:
            reasoning: of the request; apart from the answer it goes with "decode" only.

        Raises:
            PolicyError: the client asks for another.
            ForbiddenError: its reasoning would undo the rule's phase, which it may not set.
        """
        apart, terms, rule = reasoning is not None, self._clause.terms, self._clause.name
        if "phase" in self._set:
            phase = self._wish.phase(apart=apart and self.sets_reasoning)
            if apart and phase != "decode":
                raise PolicyError(
                    f'{FIELD}.phase is "{phase}", and the policy\'s rule {rule} steers the '
                    'reasoning apart from the answer, beside which it is "decode": a prompt is '
                    "neither reasoning nor answer. Leave it out",
                    param=f"{FIELD}.phase",
                    reason="conflict",
                )
            return phase
        if apart and terms.phase == "all" and "phase" not in terms.overrides:
            raise self._forbidden(
                f"the policy's rule {rule} has `phase: all` and does not let clients set the "
                f'phase; {FIELD}.{REASONING} other than "{AS_ANSWER}" would make it "decode"',
                f"{FIELD}.{REASONING}",
            )
        return "decode" if apart else terms.phase or "all"

    @property
    def sets_reasoning(self) -> bool:
        """Whether the client says how its reasoning is to be steered."""
        return REASONING in self._set

    def reasoning(self) -> Reasoning:
        """What the client says of its reasoning.

        Raises:
            PolicyError: it is malformed, or a strength not within the rule's range.
            ForbiddenError: it asks for a language that the rule denies.
        """
        terms, place = self._clause.terms, f"{FIELD}.{REASONING}"
        apart = self._wish.reasoning(terms.strength)
        if isinstance(apart, AppliedSteering):
            for strength in (apart.strength, *apart.suppress_strengths):
                self._within(strength, f"{place}.strength")
            if apart.target is not None and any(map(terms.denies, self._reasoning_named(apart))):
                raise self._forbidden(
                    f"{place} asks for {apart.target.profile.language}, which the policy's rule "
                    f"{self._clause.name} denies",
                    place,
                )
        return apart

    def nothing(self) -> PolicyError:
        """The error of a wish that names neither target nor suppress."""
        return self._wish.nothing()

    def nothing_left(self) -> PolicyError:
        """The error of a reasoning that undoes the rule's, which is all that the rule steers."""
        field = f"{FIELD}.{REASONING}"
        return PolicyError(
            f"{field} is {shown(self._given[REASONING])}, and the policy's rule "
            f"{self._clause.name} steers nothing but the reasoning: nothing would be left to steer "
            "by. Leave it out, or say how the reasoning is to be steered instead",
            param=field,
            reason="conflict",
        )

    def _named(self, asked: Asked) -> Iterator[LanguageTag]:
        """The languages asked for as they were written, and the profile's that answers to them."""
        if self._target is not None:
            yield self._target.tag
        wish = asked.fields.get(FIELD) or {}
        for text in (wish.get("target"), *asked.target_header):
            if text is not None:
                yield LanguageTag.parse(text.strip())

    def _reasoning_named(self, apart: AppliedSteering) -> Iterator[LanguageTag]:
        """As `_named`, of the reasoning."""
        if apart.target is not None:
            yield apart.target.tag
        if (text := self._given[REASONING].get("target")) is not None:
            yield LanguageTag.parse(text.strip())

    def _check_overrides(self) -> None:
        terms = self._clause.terms
        sources = {source.kind for source in terms.target}
        may = set(terms.overrides) | ({"header"} if "header" in sources else set())
        if "field" not in sources:
            may.discard("target")
        if beyond := sorted(self._set - may):
            place = HEADER if beyond[0] == "header" else f"{FIELD}.{beyond[0]}"
            names = [HEADER if name == "header" else name for name in sorted(may)]
            raise self._forbidden(
                f"the policy's rule {self._clause.name} does not let clients set {place}; "
                f"they may set {', '.join(names) or 'nothing'}",
                place,
            )

    def _within(self, strength: float, place: str) -> None:
        terms = self._clause.terms
        if not terms.weakest <= strength <= terms.strongest:
            raise PolicyError(
                f"{place} is {strength:g}; the policy's rule {self._clause.name} allows "
                f"{terms.weakest:g} to {terms.strongest:g}",
                param=place,
                reason="bad_value",
            )

    def _place(self) -> str:
        if self._set & _NAMES:
            return f"{FIELD}.{'profile' if 'profile' in self._set else 'target'}"
        return HEADER

    def _forbidden(self, message: str, param: str) -> ForbiddenError:
        return ForbiddenError(message, param=param, reason="forbidden")


_NAMES = frozenset({"target", "profile"})
