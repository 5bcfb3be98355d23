"""From a file's bytes to a document of pydantic's, or to everything that is wrong with it."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

from server.yamlfile.finding import plainly, refused
from server.yamlfile.part import Part
from server.yamlfile.text import Lines, parse

Model = TypeVar("Model", bound=Part)


def read_document(
    data: bytes, model: type[Model], *, shape: str, secret: str
) -> tuple[Model, dict[str, Any], Lines]:
    """(the document, the file as it was parsed, the lines of its parts).

    Args:
        data: the file's bytes.
        model: what it is to be.
        shape: what a file must look like, for one that is no mapping.
        secret: the key below which nothing is repeated in errors (`plainly`).

    Raises:
        FileError: it is not that; holds every problem found, each with place and line.
    """
    value, lines = parse(data)
    if not isinstance(value, dict):
        raise refused([((), f"the file must be a mapping {shape}")], lines)
    try:
        return model.model_validate(value), value, lines
    except ValidationError as error:
        raise refused(plainly(error, secret), lines, value) from error
