"""What is wrong with a file that an operator wrote."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from server.schemas.answer import Answer
from server.schemas.error import ErrorBody


class PlacedProblem(Answer):
    """One thing that is wrong with the file."""

    place: str = Field(description="The field.")
    line: int = Field(description="From 1; 0 where it has none.")
    text: str


class FileProblems(ErrorBody):
    """An error, and everything that is wrong with the file."""

    problems: list[PlacedProblem]

    example: ClassVar[dict[str, Any]] = {
        "error": {
            "message": "/etc/langsteer/policy.yaml: rules[0] (acme).missing, line 11: must be "
            "refuse or unsteered",
            "type": "UnprocessableEntityError",
            "param": None,
            "code": 422,
        },
        "problems": [
            {"place": "rules[0] (acme).missing", "line": 11, "text": "must be refuse or unsteered"}
        ],
    }
