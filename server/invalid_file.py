"""The answer to a reload of a file that cannot be used."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse

from server.errors import FileInvalidError
from server.schemas.problems import FileProblems
from server.spelled import spelled
from server.yamlfile.problem import FileError

# For FastAPI's `responses`.
INVALID_FILE: dict[int | str, dict[str, Any]] = {
    FileInvalidError.status: {
        "model": FileProblems,
        "description": (FileInvalidError.__doc__ or "").strip(),
        "content": {"application/json": {"example": FileProblems.example}},
    }
}


def invalid_file(error: FileError) -> JSONResponse:
    """422 and everything that is wrong with the file, each with its place and line."""
    wrong = FileInvalidError(str(error), reason="bad_value")
    places = [
        {"place": each.place, "line": each.line, "text": each.text} for each in error.problems
    ]
    return JSONResponse(spelled({**wrong.to_body(), "problems": places}), wrong.status)
