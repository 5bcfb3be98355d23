"""A question to the policy, and its answer."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from server.monitor.prose import Excluded
from server.schemas.answer import Answer
from server.schemas.error import ErrorFacts
from server.schemas.shape import Shape


class PolicyQuestion(Shape):
    """A request, as far as a policy looks at it."""

    route: str = Field(default="/v1/chat/completions", description="Its path.")
    headers: dict[str, str | list[str]] = Field(
        default_factory=dict,
        description="By name, in any case; a list where one is sent several times. API keys in "
        "`Authorization` and `X-Api-Key` tell the tenant.",
    )
    body: Any = Field(default_factory=dict, description="The JSON body.")
    tenant: str | None = Field(
        default=None, description="Whose request it is, instead of an API key."
    )

    example: ClassVar[dict[str, Any]] = {
        "route": "/v1/chat/completions",
        "headers": {"Accept-Language": "de"},
        "body": {"messages": [{"role": "user", "content": "Wie wird das Wetter?"}]},
        "tenant": "acme",
    }


class PassedOver(Answer):
    """A rule that is not met."""

    rule: str
    why: str


class AskedSource(Answer):
    """A source of the target that was asked."""

    source: str
    profile: str | None = Field(description="name@version of what it decided for.")
    note: str = Field(description="What it named, or why nothing.")


class MonitorTerms(Answer):
    """How the language of the answer is judged."""

    exclude: list[Excluded] = Field(description="What of it is not counted.")
    tolerate: float = Field(description="Share of it that may be in another language.")


class EnforceTerms(Answer):
    """When the model is asked again."""

    strengths: list[float] = Field(description="Of the further attempts.")
    on: list[Literal["hit", "mixed", "miss", "unknown"]] = Field(description="The verdicts.")
    skipped: Literal["stream", "background"] | None = Field(
        description="The field of the body under which this answer is not held back."
    )


class Explanation(Answer):
    """What the server would do with the request, and why."""

    object: Literal["steering.explanation"]
    rule: str | None = Field(description="The rule that is met.")
    passed_over: list[PassedOver] = Field(description="The earlier rules.")
    sources: list[AskedSource] = Field(description="In the order in which they were asked.")
    result: Literal["passes", "steered", "unsteered", "exempt", "refused"] = Field(
        description="`passes`: the route makes no text."
    )
    headers: dict[str, str] = Field(description="That the answer would have.")
    monitor: MonitorTerms | None = Field(description="null where the answer is not looked at.")
    enforce: EnforceTerms | None = Field(description="null where nothing is asked again.")
    status: int | None = Field(description="The HTTP status of a refusal.")
    error: ErrorFacts | None = Field(description="The refusal.")

    example: ClassVar[dict[str, Any]] = {
        "object": "steering.explanation",
        "rule": "defaults",
        "passed_over": [{"rule": "acme", "why": "tenant is none, not acme"}],
        "sources": [
            {"source": "accept-language", "profile": "de@1a2b3c4d5e6f", "note": "de"},
        ],
        "result": "steered",
        "headers": {
            "X-Steering-Policy": "defaults",
            "X-Steering-Profile": "de@1a2b3c4d5e6f; strength=1; phase=all",
        },
        "monitor": {"exclude": ["code", "quotes"], "tolerate": 0.1},
        "enforce": {"strengths": [1.5, 2.0], "on": ["miss"], "skipped": None},
        "status": None,
        "error": None,
    }
