"""A file that appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from profiles.errors import LangsteerError


def write(path: Path, text: str) -> None:
    """Replace `path` with `text` in one step, in UTF-8; its folder is made where it is missing.

    Raises:
        LangsteerError: it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """As `write`, for what is not text."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        draft = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            draft.chmod(0o644)  # mkstemp's 0600 would hide it from a web server
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise LangsteerError(f"cannot write {path}: {error.strerror or error}") from error
