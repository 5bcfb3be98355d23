"""What was fetched before: files by their digest, and what places listed."""

from __future__ import annotations

import json
from pathlib import Path

from filelock import FileLock

from profiles.atomic import write_atomically
from profiles.errors import SharingError
from profiles.models.demo_model import cache_dir
from profiles.sharing.digest import mismatch, sha256
from profiles.sharing.listing import Listing, SharedFile

_PATIENCE = 600.0  # seconds, for whoever else is fetching the same file
_PRIVATE = 0o700  # private repositories' files are in it


class Cache:
    """A folder of the user's.

    Args:
        folder: made where it is missing; by default "profiles" in langsteer's cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or cache_dir() / "profiles"

    def get(self, file: SharedFile, url: str) -> bytes | None:
        """The file, if it is there and what it should be; a damaged one is removed."""
        blob = self._blob(file, url)
        try:
            data = blob.read_bytes()
        except OSError:
            return None
        if mismatch(file, data):
            blob.unlink(missing_ok=True)
            return None
        return data

    def part(self, file: SharedFile, url: str) -> Path:
        """Where the file is put together."""
        blob = self._blob(file, url)
        self._make(blob.parent)
        return blob.with_name(f"{blob.name}.part")

    def lock(self, file: SharedFile, url: str) -> FileLock:
        """Held while the file is put together, so that two commands do not do it at once."""
        return FileLock(f"{self.part(file, url)}.lock", timeout=_PATIENCE)

    def take(self, file: SharedFile, url: str) -> bytes:
        """Make of the file's part the file, if it is what it should be.

        Raises:
            SharingError: it is not; the part is gone.
        """
        part = self.part(file, url)
        data = part.read_bytes()
        if wrong := mismatch(file, data):
            part.unlink()
            raise SharingError(f"{file.name} {wrong}: altered, or damaged on its way")
        part.replace(self._blob(file, url))
        return data

    def remember(self, listing: Listing, *keys: str) -> None:
        """Keep what a place listed, under each of `keys`."""
        data = json.dumps(listing.to_json()).encode()
        for key in keys:
            file = self._listing(key)
            self._make(file.parent)
            write_atomically(file, data, 0o600)

    def recall(self, key: str) -> Listing | None:
        """What the place listed last, None where that is not known."""
        try:
            return Listing.from_json(json.loads(self._listing(key).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _blob(self, file: SharedFile, url: str) -> Path:
        if file.sha256:
            name = f"sha256-{file.sha256}"
        elif file.git_sha1:
            name = f"git-{file.git_sha1}"
        else:
            name = f"url-{sha256(url.encode())}"
        return self._folder / "files" / name

    def _listing(self, key: str) -> Path:
        return self._folder / "listings" / f"{sha256(key.encode())}.json"

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        except OSError as error:
            raise SharingError(
                f"cannot make the cache folder {folder} ({error.strerror or error}); name another "
                "one in LANGSTEER_CACHE"
            ) from error
