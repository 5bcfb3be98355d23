"""Profiles in a folder of this machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from profiles.errors import SharingError
from profiles.sharing.digest import mismatch
from profiles.sharing.fetcher import MissingError
from profiles.sharing.listing import Listing, SharedFile, make_listing
from profiles.sharing.names import SUMS, language_of
from profiles.sharing.sums import MOST_BYTES as MOST_SUMS
from profiles.sharing.sums import parse_sums
from profiles.store import SUFFIX


class FolderSource:
    """The files of a folder; `SHA256SUMS` is held to, where it is there.

    Args:
        path: a folder, or a profile's file.
    """

    def __init__(self, path: Path) -> None:
        one = path.is_file() or (path.name.endswith(SUFFIX) and not path.is_dir())
        self.folder = path.parent if one else path
        self.only = path.name if one else None
        if self.only is not None and language_of(self.only) is None:
            raise SharingError(f"{path} is no profile's file: those are <language>.safetensors")

    def listing(self) -> Listing:
        """See `Source`. Hidden files are not listed."""
        try:
            files = [f for f in self.folder.iterdir() if not f.name.startswith(".")]
        except OSError as error:
            raise SharingError(
                f"cannot read the folder {self.folder}: {error.strerror or error}"
            ) from error
        names = {file.name for file in files if file.is_file()}
        sums: dict[str, str] = {}
        if SUMS in names:
            where = str(self.folder / SUMS)
            sums = parse_sums(_read(self.folder / SUMS, MOST_SUMS), where)
            gone = [n for n in sums if language_of(n) and n not in names]
            if gone:
                raise SharingError(f"{where} lists {', '.join(sorted(gone))}, which is not there")
        return make_listing(
            str(self.folder),
            None,
            (SharedFile(name=name, sha256=sums.get(name)) for name in sorted(names)),
        )

    def read(self, file: SharedFile) -> bytes:
        """See `Source`."""
        path = self.folder / file.name
        data = _read(path, file.most)
        if wrong := mismatch(file, data):
            raise SharingError(
                f"{path} {wrong}, by {SUMS} beside it; where it was made anew, remove that file"
            )
        return data


def _read(path: Path, most: int) -> bytes:
    try:
        # Without waiting: what is no file may never answer.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as data:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode):
                raise SharingError(f"{path} is no regular file")
            if about.st_size > most:
                raise SharingError(f"{path} has {about.st_size} bytes, at most {most} are allowed")
            return data.read(most)
    except FileNotFoundError as error:
        raise MissingError(f"there is no {path}") from error
    except OSError as error:
        raise SharingError(f"cannot read {path}: {error.strerror or error}") from error
