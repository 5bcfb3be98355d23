"""The terms that a rule, or the defaults, may set: one block of the policy file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, WrapValidator

from server.languages import LanguageTag
from server.monitor.prose import Excluded
from server.policy.rising import also_rising
from server.yamlfile.part import Part
from steering.request import MAX_STRENGTH, MAX_SUPPRESS, Phase

SourceName = Literal["field", "header", "accept-language", "locale", "detect"]
Override = Literal["target", "suppress", "strength", "phase", "profile", "reasoning"]
Missing = Literal["refuse", "unsteered"]
_SOURCES = ", ".join(get_args(SourceName))


def _tag(text: str) -> str:
    LanguageTag.parse(text)
    return text


Tag = Annotated[str, AfterValidator(_tag)]
Factor = Annotated[float, Field(strict=True, gt=0, le=MAX_STRENGTH)]
_Strengths = Annotated[tuple[Factor, ...], Field(max_length=4)]


class FixedLanguage(Part):
    """A source that always names one language."""

    language: Tag


def _source(value: Any) -> Any:
    if value in get_args(SourceName) or (isinstance(value, Mapping) and set(value) == {"language"}):
        return value
    raise ValueError(f"must be one of {_SOURCES}, or {{language: TAG}}")


def _weights(value: Any) -> Any:
    if isinstance(value, list):
        if len({each for each in value if isinstance(each, str)}) != len(value):
            raise ValueError("must hold language tags, each once")
        return dict.fromkeys(value)
    if not isinstance(value, Mapping):
        raise ValueError("must be a list of language tags, or strengths such as {zh: 0.5}")
    return value


Source = Annotated[SourceName | FixedLanguage, BeforeValidator(_source)]
Weights = Annotated[
    dict[Tag, Factor | None],
    BeforeValidator(_weights, json_schema_input_type=list[Tag] | dict[Tag, Factor]),
    Field(max_length=MAX_SUPPRESS),
]


class StrengthRange(Part):
    """How strongly: what a request gets, and what a client may choose."""

    default: Factor | None = Field(
        default=None,
        description="Strength of a request that names none; 1, or the nearest allowed.",
    )
    min: Factor | None = Field(default=None, description="Least a client may choose; the default.")
    max: Factor | None = Field(
        default=None, description="Most a client may choose; the server's `--max-strength`."
    )


class Monitoring(Part):
    """How the language of answers is judged."""

    exclude: tuple[Excluded, ...] | None = Field(
        default=None,
        description="What of an answer is not counted: `code`, `quotes`, `names`. "
        "Default `[code, quotes]`.",
    )
    tolerate: Annotated[float, Field(strict=True, ge=0, le=0.5)] | None = Field(
        default=None,
        description="Share of an answer that may be in another language. Default `0.1`.",
    )


class Enforcement(Part):
    """Asking again where an answer is in another language than it was to be in."""

    strengths: Annotated[_Strengths | None, WrapValidator(also_rising)] = Field(
        default=None,
        description="Strengths to ask again with, rising, four at most, none over the rule's "
        "`strength.max`. Default `[]`: never ask again.",
    )
    on: Annotated[tuple[Literal["miss", "mixed"], ...], Field(min_length=1)] | None = Field(
        default=None, description="Verdicts to ask again on: `miss`, `mixed`. Default `[miss]`."
    )


class OwnReasoning(Part):
    """How the reasoning is steered, where that is not as the answer."""

    target: Tag | None = Field(default=None, description="A language tag: what to reason in.")
    suppress: Weights | None = Field(
        default=None,
        description="As a rule's, in the reasoning. That of the rule is not inherited.",
    )
    strength: Factor | None = Field(
        default=None, description="Of the reasoning; the rule's `strength.default`."
    )


def _reasoning(value: Any) -> Any:
    if value in ("answer", "off") or isinstance(value, Mapping):
        return value
    raise ValueError("must be `answer`, `off`, or {target: TAG, suppress: …, strength: …}")


class Block(Part):
    """Terms, every one of which may be left out."""

    steer: StrictBool | None = Field(
        default=None,
        description="`false` exempts: nothing is steered but what a client asks for, as far as "
        "`overrides` lets it. Default `true`; a rule that names `target`, `suppress` or a "
        "`reasoning` with either steers unless it says `false` itself.",
    )
    target: tuple[Source, ...] | None = Field(
        default=None,
        description="Where the language to answer in comes from, in order: `field`, `header`, "
        "`accept-language`, `locale`, `detect`, or a fixed `{language: ja}`. The first that names "
        "a language with a loaded profile decides. Default `[]`.",
    )
    suppress: Weights | None = Field(
        default=None,
        description="Languages to steer away from: a list, or strengths such as `{zh: 0.5}`. One "
        "that is a request's target is left out for that request. Default `[]`.",
    )
    deny: tuple[Tag, ...] | None = Field(
        default=None,
        description="Languages no answer is steered towards: a client that asks for one, for its "
        "reasoning too, is refused, other sources pass it over. `zh` denies every script and "
        "region. Default `[]`.",
    )
    strength: StrengthRange | None = Field(
        default=None,
        description="`default`, `min` and `max`, each inherited on its own: "
        "[the range](#strength).",
    )
    phase: Phase | None = Field(
        default=None,
        description="`all`, or `decode` to leave the prompt alone. Default `all`; `decode` for "
        "requests whose `reasoning` is not steered as the `answer`.",
    )
    reasoning: (
        Annotated[Literal["answer", "off"] | OwnReasoning, BeforeValidator(_reasoning)] | None
    ) = Field(
        default=None,
        description="How the reasoning of a model that reasons first is steered: as the `answer`, "
        "not at all (`off`), or by [terms of its own](#reasoning). Default `answer`.",
    )
    overrides: tuple[Override, ...] | None = Field(
        default=None,
        description="What a client may set: `target`, `suppress`, `strength`, `phase`, `profile`, "
        "`reasoning`. A request that sets anything else is refused. Default `[]`.",
    )
    missing: Missing | None = Field(
        default=None,
        description="Where no source names a language with a profile, or one to suppress has "
        "none: `refuse` the request, or serve it `unsteered` and say so. Default `refuse`.",
    )
    monitor: Monitoring | None = Field(
        default=None,
        description="How the language of answers is judged, `exclude` and `tolerate`, each "
        "inherited on its own: [the monitor](monitor.md).",
    )
    enforce: Enforcement | None = Field(
        default=None,
        description="Asking again where an answer is in the wrong language, `strengths` and `on`, "
        "each inherited on its own: [enforcement](monitor.md#enforcement).",
    )
