"""What was found wrong with a file, in its author's words and with its lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from server.shown import shown
from server.yamlfile.part import HASH, NAME
from server.yamlfile.problem import FileError, Problem
from server.yamlfile.text import Lines, Path

# Where it is, and what is wrong there.
Finding = tuple[Path, str]

_MISSING = "is missing"
# pydantic's own words, where they are not a file's author's.
_PLAINLY = {
    "extra_forbidden": "is not known here",
    "missing": _MISSING,
    "too_short": "must not be empty",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "model_type": "must be a mapping",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "string_type": "must be text",
    "float_type": "must be a number",
}
_PATTERNS = {
    HASH: "must be sha256: and 64 hexadecimal digits, as `langsteer policy hash-key` prints them",
    NAME: 'a name has letters, digits, ".", "_" and "-", 64 at most',
}


def plainly(error: ValidationError, secret: str) -> list[Finding]:
    """pydantic's findings in a file's author's words, without those that follow from others.

    Args:
        error: what pydantic found.
        secret: a key of the file; what was found below it is not repeated, since somebody may
            have written an API key in the clear, and the text gets into logs.
    """
    found = error.errors(include_url=False)
    places = [each["loc"] for each in found]
    return [
        (each["loc"], _text(each, secret))
        for each in found
        # A source that is a mapping is no name either; a list of bad items is no empty list.
        if not (each["type"] in {"literal_error", "too_short"} and _inner(each["loc"], places))
    ]


def refused(found: Sequence[Finding], lines: Lines, value: Any = None) -> FileError:
    """The error that names all of them.

    Args:
        found: what is wrong.
        lines: of the file's parts.
        value: the file, as it was parsed.
    """
    return FileError([problem(path, text, lines, value) for path, text in found])


def problem(path: Path, text: str, lines: Lines, value: Any) -> Problem:
    """One of them with its line, and its place by the names that the file's author gave."""
    # pydantic's paths also name branches of unions, which the file does not have.
    known: Path = ()
    for step in path:
        if (*known, step) in lines:
            known = (*known, step)
    missing = (path[-1],) if path and path[-1] != (known or ("",))[-1] else ()
    place, here = "", value
    for step in (*known, *(step for step in missing if text == _MISSING)):
        here = _below(here, step)
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else str(step)
        if isinstance(step, int) and (name := _below(here, "name")) is not None:
            place += f" ({shown(name).strip(chr(34))})"
    return Problem(place=place, line=lines.get(known, 0), text=text)


def _inner(place: Path, places: Sequence[Path]) -> bool:
    """Whether something else was found at a place, or within it."""
    # The last step of a literal's place is the branch of the union.
    outer = tuple(step for step in place if not str(step).startswith("literal["))
    return any(other != place and other[: len(outer)] == outer for other in places)


def _text(error: Any, secret: str) -> str:
    kind, given, place = error["type"], error["input"], error["loc"]
    if kind == "string_pattern_mismatch":
        return _PATTERNS[error["ctx"]["pattern"]]
    said = _PLAINLY.get(kind, "")
    if kind in {"extra_forbidden", "missing", "too_short"}:
        return said
    if not said:
        message = str(error["msg"]).removeprefix("Value error, ")
        said = (message[:1].lower() + message[1:]).replace("input should", "must", 1)
    if given is None or (place and place[0] == secret and isinstance(given, str)):
        return said
    return f"{said}; found {shown(given)}"


def _below(value: Any, step: str | int) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None
