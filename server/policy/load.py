"""From the bytes of a policy file to a policy, or to everything that is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from server.policy.book import Book, Clause
from server.policy.check import errors, warnings
from server.policy.document import DEFAULTS, Document, When
from server.policy.problem import PolicyFileError, Problem
from server.policy.tenants import Tenants
from server.policy.terms import Terms
from server.policy.yaml_text import Lines, Path, parse
from server.shown import shown
from steering.request import MAX_STRENGTH

# pydantic's own words, where they are not a file's author's.
_PLAINLY = {
    "extra_forbidden": "is not known here",
    "missing": "is missing",
    "too_short": "must not be empty",
    "bool_type": "must be true or false",
    "model_type": "must be a mapping",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "string_type": "must be text",
    "float_type": "must be a number",
}
_HASH = "must be sha256: and 64 hexadecimal digits, as `langsteer policy hash-key` prints them"
_NAME = 'a name has letters, digits, ".", "_" and "-", 64 at most'


def load(data: bytes, max_strength: float = MAX_STRENGTH) -> Book:
    """A policy.

    Args:
        data: the file's bytes.
        max_strength: the largest strength the server allows.

    Raises:
        PolicyFileError: it cannot be used; holds every problem found, each with place and line.
    """
    value, lines = parse(data)
    if not isinstance(value, dict):
        raise _refused([((), "the file must be a mapping that begins with `version: 1`")], lines)
    try:
        document = Document.model_validate(value)
    except ValidationError as error:
        raise _refused(_plainly(error), lines, value) from error
    terms = [Terms.of(rule, document.defaults, max_strength) for rule in document.rules]
    rest = Terms.of(document.defaults, document.defaults, max_strength)
    if wrong := errors(document, terms, rest, max_strength):
        raise _refused(wrong, lines, value)
    clauses = [
        Clause(name=rule.name, when=rule.when, terms=own)
        for rule, own in zip(document.rules, terms, strict=True)
    ]
    return Book(
        clauses=(*clauses, Clause(name=DEFAULTS, when=When(), terms=rest)),
        tenants=Tenants(document.tenants),
        document=document,
        digest=hashlib.sha256(data).hexdigest(),
        warnings=tuple(
            str(_problem(place, text, lines, value)) for place, text in warnings(document, terms)
        ),
    )


def _plainly(error: ValidationError) -> list[tuple[Path, str]]:
    """pydantic's findings in a file's author's words, without those that follow from others."""
    found = error.errors(include_url=False)
    places = [each["loc"] for each in found]
    return [
        (each["loc"], _text(each))
        for each in found
        # A source that is a mapping is no name either; a list of bad items is no empty list.
        if not (each["type"] in {"literal_error", "too_short"} and _inner(each["loc"], places))
    ]


def _inner(place: Path, places: Sequence[Path]) -> bool:
    """Whether something else was found at a place, or within it."""
    # The last step of a literal's place is the branch of the union.
    outer = tuple(step for step in place if not str(step).startswith("literal["))
    return any(other != place and other[: len(outer)] == outer for other in places)


def _text(error: Any) -> str:
    kind, given, place = error["type"], error["input"], error["loc"]
    if kind == "string_pattern_mismatch":
        # A key in the clear must not get into a log.
        return _HASH if place[0] == "tenants" and len(place) > 2 and place[2] != "[key]" else _NAME
    said = _PLAINLY.get(kind, "")
    if kind in {"extra_forbidden", "missing", "too_short"}:
        return said
    if not said:
        message = str(error["msg"]).removeprefix("Value error, ")
        said = (message[:1].lower() + message[1:]).replace("input should", "must", 1)
    return said if given is None else f"{said}; found {shown(given)}"


def _refused(found: list[tuple[Path, str]], lines: Lines, value: Any = None) -> PolicyFileError:
    return PolicyFileError([_problem(path, text, lines, value) for path, text in found])


def _problem(path: Path, text: str, lines: Lines, value: Any) -> Problem:
    # pydantic's paths also name branches of unions, which the file does not have.
    known: Path = ()
    for step in path:
        if (*known, step) in lines:
            known = (*known, step)
    missing = (path[-1],) if path and path[-1] != (known or ("",))[-1] else ()
    place = ""
    for step in (*known, *(step for step in missing if text == _PLAINLY["missing"])):
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else str(step)
        if place == f"rules[{step}]" and (name := _name(value, step)):
            place += f" ({name})"
    return Problem(place=place, line=lines.get(known, 0), text=text)


def _name(value: Any, index: Any) -> str:
    try:
        return shown(value["rules"][index]["name"]).strip('"')
    except (KeyError, TypeError):
        return ""
