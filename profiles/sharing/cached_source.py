"""A remote place, whose files are kept by their digest."""

from __future__ import annotations

from profiles.errors import SharingError
from profiles.progress import Stage
from profiles.sharing.cache import Cache
from profiles.sharing.download import download
from profiles.sharing.fetcher import Fetcher, MissingError
from profiles.sharing.listing import Listing, SharedFile
from profiles.sharing.place import Place

_OFFLINE = "run it once without --offline where there is a network"


class CachedSource:
    """Reads from the cache what is there, and from the place what is not.

    Args:
        place: where.
        cache: what was fetched before.
        fetcher: opens addresses; None without a network, where the cache must do.
        stage: shows the progress of a file.
    """

    def __init__(self, place: Place, cache: Cache, fetcher: Fetcher | None, stage: Stage) -> None:
        self._place, self._cache, self._fetcher, self._stage = place, cache, fetcher, stage
        self._listing: Listing | None = None
        self.only = place.only

    def listing(self) -> Listing:
        """See `Source`."""
        if self._listing is None:
            self._listing = self._recalled() if self._fetcher is None else self._asked()
        return self._listing

    def read(self, file: SharedFile) -> bytes:
        """See `Source`."""
        listing = self.listing()
        request = self._place.locate(listing, file)
        known = file.sha256 or file.git_sha1
        if (known or not self._fetcher) and (data := self._cache.get(file, request.url)):
            return data
        if self._fetcher is None:
            if not file.sure:
                raise MissingError(f"{listing.label} had no {file.name}")
            raise SharingError(f"{file.name} of {listing.label} was not fetched yet: {_OFFLINE}")
        with self._cache.lock(file, request.url), self._stage(file.name) as tell:
            if known and (data := self._cache.get(file, request.url)):  # by somebody else, just now
                return data
            part = self._cache.part(file, request.url)
            if not known:
                part.unlink(missing_ok=True)  # what is there may be of another one
            for resumed in [True, False] if part.exists() else [False]:
                download(self._fetcher, request, part, most=file.most, size=file.size, tell=tell)
                try:
                    return self._cache.take(file, request.url)
                except SharingError as error:
                    if not resumed:  # what an earlier run left is not to blame
                        raise SharingError(f"{listing.label}: {error}") from error
            raise AssertionError("unreachable")

    def _asked(self) -> Listing:
        listing = self._place.list()
        at = [f"{self._place.base}@{listing.revision}"] if listing.revision else []
        self._cache.remember(listing, self._place.key, *at)
        return listing

    def _recalled(self) -> Listing:
        listing = self._cache.recall(self._place.key)
        if listing is None:
            raise SharingError(f"{self._place.key} was not fetched yet: {_OFFLINE}")
        return listing
