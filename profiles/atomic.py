"""A file that appears whole or not at all, and stays after a power cut."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

READABLE = 0o644


def write_atomically(file: Path, data: bytes, mode: int = READABLE) -> None:
    """Put `data` at `file`, in the place of what is there: written beside it, synced, renamed.

    A symbolic link at `file` is replaced, not followed.

    Args:
        file: in a folder that exists.
        data: all of it.
        mode: permissions; mkstemp's own 0600 would hide a profile from a server's user.

    Raises:
        OSError: it cannot be written; nothing has changed then.
    """
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".part", dir=file.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        temporary.chmod(mode)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder can't be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
