"""A folder of this machine that profiles are put into."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from profiles.atomic import write_atomically
from profiles.errors import SharingError
from profiles.sharing.digest import sha256
from profiles.sharing.folder_source import FolderSource
from profiles.sharing.names import SUMS
from profiles.sharing.sums import format_sums, parse_sums


class FolderTarget:
    """Writes file by file, each whole or not at all.

    Args:
        folder: made where it is missing.
        summed: whether it gets SHA256SUMS; one that is there is kept up to date in any case.
    """

    def __init__(self, folder: Path, *, summed: bool) -> None:
        self._folder, self._summed = folder, summed
        self.label = str(folder)

    def there(self) -> FolderSource | None:
        """What it holds, None where there is no such folder."""
        if self._folder.exists() and not self._folder.is_dir():
            raise SharingError(f"{self._folder} is a file, expected a folder")
        return FolderSource(self._folder) if self._folder.is_dir() else None

    def write(self, files: Mapping[str, bytes | None], message: str) -> str:
        """Write `files`, by path in the folder, and remove those that are None; where it is.

        Raises:
            SharingError: the system refuses.
        """
        del message  # a folder keeps none
        sums = self._sums()
        try:
            for name, data in files.items():
                file = self._folder / name
                sums.pop(name, None)
                if data is None:
                    file.unlink(missing_ok=True)
                    continue
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(file, data)
                sums[name] = sha256(data)
            if files and (self._summed or (self._folder / SUMS).is_file()):
                write_atomically(self._folder / SUMS, format_sums(sums))
        except OSError as error:
            raise SharingError(
                f"cannot write {error.filename or self._folder}: {error.strerror or error}"
            ) from error
        return str(self._folder)

    def _sums(self) -> dict[str, str]:
        try:
            return parse_sums((self._folder / SUMS).read_bytes(), str(self._folder / SUMS))
        except OSError:
            return {}
