"""A JSON account that another command stored, checked for what the page relies on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from profiles.errors import LangsteerError
from profiles.profile import ModelIdentity

_Account = TypeVar("_Account", bound=BaseModel)


def read_checked(
    file: Path, form: type[_Account], version: int, *, what: str, missing: str, again: str
) -> _Account:
    """The account in a file.

    Args:
        file: to be read.
        form: what it must hold.
        version: of its format.
        what: it is, for the error where it is not there.
        missing: what to do then.
        again: what to do where it cannot be used.

    Raises:
        LangsteerError: it is missing, damaged, or of another format.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise LangsteerError(f"no {what} {file} ({error.strerror or error}); {missing}") from error
    except (ValueError, RecursionError) as error:
        raise LangsteerError(f"{file} is damaged: {error}; {again}") from error
    its = found.get("format") if isinstance(found, Mapping) else None
    if its != version:
        raise LangsteerError(
            f"{file}: format {str(its)[:20]!r}, this langsteer reads {version}; {again}"
        )
    try:
        return form.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LangsteerError(f"{file} is damaged: {where}: {first['msg']}; {again}") from None


def check_model(file: Path, its: Mapping[str, Any], model: ModelIdentity, *, again: str) -> None:
    """That an account is of the model that the profiles are of.

    Args:
        file: it was read from.
        its: what it says of its model.
        model: the profiles'.
        again: what to do where it is of another.

    Raises:
        LangsteerError: other weights, or another tokenizer.
    """
    for name in ("weights", "tokenizer"):
        mine, found = getattr(model, name), its.get(name)
        if found != mine:
            raise LangsteerError(
                f"{file} is of {its.get('name')}, the profiles are of {model.name} "
                f"({name} {mine[:12]}, there {str(found)[:12]}); {again}"
            )
