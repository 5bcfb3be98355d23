"""The answer to a reload of a file that cannot be used."""

from __future__ import annotations

from fastapi.responses import JSONResponse

from server.errors import FileInvalidError
from server.yamlfile.problem import FileError


def invalid_file(error: FileError) -> JSONResponse:
    """422 and everything that is wrong with the file, each with its place and line."""
    wrong = FileInvalidError(str(error), reason="bad_value")
    places = [
        {"place": each.place, "line": each.line, "text": each.text} for each in error.problems
    ]
    return JSONResponse({**wrong.to_body(), "problems": places}, wrong.status)
