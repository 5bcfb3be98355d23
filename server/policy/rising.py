"""That strengths to ask again with rise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from pydantic import ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import InitErrorDetails, PydanticCustomError

NOT_RISING = "must rise: each attempt is to be stronger than the one before"


def rises(strengths: Sequence[float]) -> bool:
    """Whether each is over the one before."""
    return all(later > earlier for earlier, later in pairwise(strengths))


def also_rising(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """pydantic's validator of strengths, which says of bad ones that they do not rise either.

    Good ones are looked at with the rest of the policy, so that all of it is found together.
    """
    try:
        return handler(value)
    except ValidationError as error:
        numbers = _numbers(value)
        if numbers is None or rises(numbers):
            raise
        found = [
            InitErrorDetails(
                type=each["type"], loc=each["loc"], input=each["input"], ctx=each.get("ctx", {})
            )
            for each in error.errors(include_url=False)
        ]
        # Without an input: a list would be shown as no more than that.
        own = InitErrorDetails(type=PydanticCustomError("not_rising", NOT_RISING), input=None)
        raise ValidationError.from_exception_data(error.title, [own, *found]) from error


def _numbers(value: Any) -> list[float] | None:
    """The numbers of a list that has nothing else; None for anything else."""
    if not isinstance(value, list) or any(type(each) not in {int, float} for each in value):
        return None
    return value
