"""A rule's terms once the defaults are filled in: nothing is left open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from server.languages import LanguageTag
from server.monitor.promise import EXCLUDE, TOLERATE
from server.monitor.prose import Excluded
from server.monitor.verdict import Verdict
from server.policy.block import Block, FixedLanguage, Missing, OwnReasoning, StrengthRange
from steering.request import Phase


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a language may come from.

    Attributes:
        kind: a `SourceName`, or "language" for a fixed one.
        language: the fixed one's tag, or "".
    """

    kind: str
    language: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.language}".strip()


Weighted = tuple[tuple[LanguageTag, float | None], ...]


@dataclass(frozen=True, kw_only=True)
class ReasoningTerms:
    """What the reasoning is steered by; as in `OwnReasoning`, with every default applied."""

    target: LanguageTag | None
    suppress: Weighted
    strength: float


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What holds for requests that meet a rule; as in `Block`, with every default applied.

    Attributes:
        reasoning: None where it is steered as the answer.
        phase: None where the file leaves it to the request's reasoning.
        strength, weakest, strongest: of requests that name none; what a client may choose.
        exclude, tolerate: as in `Promise`.
        enforce: strengths of further attempts; empty where there are none.
        enforce_on: the verdicts that make one.
    """

    steer: bool
    target: tuple[Source, ...]
    suppress: Weighted
    deny: tuple[LanguageTag, ...]
    strength: float
    weakest: float
    strongest: float
    phase: Phase | None
    reasoning: ReasoningTerms | Literal["off"] | None
    overrides: frozenset[str]
    missing: Missing
    exclude: frozenset[Excluded]
    tolerate: float
    enforce: tuple[float, ...]
    enforce_on: frozenset[Verdict]

    @classmethod
    def of(cls, block: Block, defaults: Block, max_strength: float) -> Terms:
        """`block` over `defaults` over what a policy means where neither says anything.

        Args:
            block: a rule's, or `defaults` itself.
            defaults: the file's.
            max_strength: the largest strength the server allows.
        """
        said = {
            name: own if (own := getattr(block, name)) is not None else getattr(defaults, name)
            for name in Block.model_fields
        }
        sources = tuple(
            Source(kind="language", language=each.language)
            if isinstance(each, FixedLanguage)
            else Source(kind=each)
            for each in said["target"] or ()
        )
        default, least, most = _range(block.strength, defaults.strength, max_strength)
        return cls(
            steer=_steers(block, defaults),
            target=sources,
            suppress=_weighted(said["suppress"]),
            deny=tuple(LanguageTag.parse(tag) for tag in said["deny"] or ()),
            strength=default,
            weakest=least,
            strongest=most,
            phase=said["phase"],
            reasoning=_reasoning(said["reasoning"], default),
            overrides=frozenset(said["overrides"] or ()),
            missing=said["missing"] or "refuse",
            exclude=frozenset(_own("monitor", "exclude", EXCLUDE, block, defaults)),
            tolerate=_own("monitor", "tolerate", TOLERATE, block, defaults),
            enforce=_own("enforce", "strengths", (), block, defaults),
            enforce_on=frozenset(_own("enforce", "on", ("miss",), block, defaults)),
        )

    @property
    def idle(self) -> bool:
        """Whether it steers, and names nothing to steer by."""
        apart = isinstance(self.reasoning, ReasoningTerms)
        return self.steer and not self.target and not self.suppress and not apart

    def denies(self, tag: LanguageTag) -> bool:
        """Whether no answer may be steered towards this language."""
        return any(_covers(denied, tag) for denied in self.deny)


def _own(part: str, key: str, otherwise: Any, *blocks: Block) -> Any:
    """A key of a part of the first block that says it."""
    for block in blocks:
        if (found := getattr(getattr(block, part), key, None)) is not None:
            return found
    return otherwise


def _weighted(said: Mapping[str, float | None] | None) -> Weighted:
    return tuple((LanguageTag.parse(tag), own) for tag, own in (said or {}).items())


def _reasoning(
    said: OwnReasoning | str | None, strength: float
) -> ReasoningTerms | Literal["off"] | None:
    if isinstance(said, OwnReasoning):
        return ReasoningTerms(
            target=LanguageTag.parse(said.target) if said.target else None,
            suppress=_weighted(said.suppress),
            strength=strength if said.strength is None else said.strength,
        )
    return "off" if said == "off" else None


def _steers(block: Block, defaults: Block) -> bool:
    """A rule that says what to steer by is meant to steer, whatever the defaults exempt."""
    if block.steer is not None:
        return block.steer
    apart = isinstance(block.reasoning, OwnReasoning)
    return bool(block.target or block.suppress or apart) or defaults.steer is not False


def _range(
    own: StrengthRange | None, inherited: StrengthRange | None, ceiling: float
) -> tuple[float, float, float]:
    """(default, min, max); where the file says nothing a client may only strengthen."""
    own, inherited = own or StrengthRange(), inherited or StrengthRange()
    default, least, most = (
        mine if (mine := getattr(own, name)) is not None else getattr(inherited, name)
        for name in ("default", "min", "max")
    )
    most = ceiling if most is None else most
    if default is None:
        default = min(max(1.0, least or 0.0), most)
    return default, default if least is None else least, most


def _covers(denied: LanguageTag, tag: LanguageTag) -> bool:
    script = f"-{denied.script}" in denied.text and bool(denied.script)
    return (
        denied.language == tag.language
        and (not script or denied.script == tag.script)
        and (not denied.region or denied.region == tag.region)
    )
