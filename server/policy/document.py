"""The policy file as a whole, as pydantic reads it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from server.policy.block import Block
from server.yamlfile.part import KeyHash, Name, Part

DEFAULTS = "defaults"


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _names(description: str) -> Any:
    return Field(default=None, min_length=1, description=description)


Names = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1)], ...],
    BeforeValidator(_listed, json_schema_input_type=str | list[str]),
]


class When(Part):
    """Which requests a rule is for: all that is given must hold."""

    tenant: Names | None = _names("One tenant of `tenants`, or a list: any of them.")
    model: Names | None = _names(
        "The request's `model`, or a list. `name*` stands for every name that begins so."
    )
    route: Names | None = _names(
        "The path, e.g. `/v1/chat/completions`, or a list. `/v1/audio/*` takes all below."
    )


class Rule(Block):
    """One rule: a name, whom it is for, and its terms."""

    name: Name = Field(description="Appears in `X-Steering-Policy` and in metrics.")
    when: When = Field(default_factory=When, description="Whom it is for; everyone where left out.")


class Document(Part):
    """A policy file."""

    version: Literal[1] = Field(description="Of the file's form.")
    defaults: Block = Field(
        default_factory=Block,
        description="Terms of requests that meet no rule, inherited by every rule.",
    )
    tenants: dict[Name, Annotated[tuple[KeyHash, ...], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Tenants' names, each with the hashes of its API keys "
        "(`langsteer policy hash-key`).",
    )
    rules: tuple[Rule, ...] = Field(
        default=(), description="Tried in order; the first that fits is met."
    )
