"""A file that appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

from profiles.atomic import write_atomically
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
        write_atomically(path, data)
    except OSError as error:
        raise LangsteerError(f"cannot write {path}: {error.strerror or error}") from error
