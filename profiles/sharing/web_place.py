"""Profiles on a web server: a folder with `SHA256SUMS`, or one file whose SHA-256 is given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urljoin, urlsplit

import httpx

from profiles.errors import SharingError
from profiles.sharing.address import WebAddress
from profiles.sharing.download import Request
from profiles.sharing.fetcher import AgainError, Fetcher, MissingError
from profiles.sharing.listing import Listing, SharedFile, make_listing
from profiles.sharing.names import SUMS, check_path, language_of, signature_name
from profiles.sharing.sums import MOST_BYTES, parse_sums
from profiles.store import SUFFIX

TOKEN = "LANGSTEER_PROFILES_TOKEN"


class WebPlace:
    """See `Place`.

    Args:
        address: a folder, or a file.
        fetcher: opens addresses; None where only `locate` is asked.
        environment: may have a token, which is sent to the address's own host alone.
    """

    def __init__(
        self,
        address: WebAddress,
        fetcher: Fetcher | None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._address, self._fetcher = address, fetcher
        token = environment.get(TOKEN)
        self._secret = {"Authorization": f"Bearer {token}"} if token else {}
        parts = urlsplit(address.url)
        name = unquote(PurePosixPath(parts.path).name)
        self.only: str | None = None
        self._query = parts.query
        if name.endswith(SUFFIX):
            if language_of(check_path(name, address.url)) is None:
                raise SharingError(
                    f"{address.url}: {name} is no profile's name: those are <language>{SUFFIX}"
                )
            self.only = name
            self._folder = urljoin(parts._replace(query="").geturl(), ".")
        elif parts.query or address.sha256:
            raise SharingError(
                f"{address.url}: a query and #sha256= go with the address of one file, "
                f"<language>{SUFFIX}"
            )
        else:
            self._folder = address.url if parts.path.endswith("/") else f"{address.url}/"
        one = f"{address.url}#{address.sha256}" if address.sha256 else None
        self.base = self.key = one or self._folder

    def list(self) -> Listing:
        """See `Place`."""
        if self.only is not None and self._address.sha256:
            files = [SharedFile(name=self.only, sha256=self._address.sha256)]
            if not self._query:  # it holds for this one file
                files.append(SharedFile(name=signature_name(self.only), sure=False))
            return make_listing(self._address.url, None, files)
        if self._query:
            raise SharingError(f"{self._address.url.partition('?')[0]}?…: add #sha256= and its sum")
        sums = parse_sums(self._sums(), self._folder + SUMS)
        files = [SharedFile(name=name, sha256=digest) for name, digest in sums.items()]
        # Whoever summed the profiles alone may have signed them all the same.
        signatures = {signature_name(name) for name in sums if language_of(name)}
        files += [SharedFile(name=name, sure=False) for name in sorted(signatures - {*sums})]
        return make_listing(self._folder, None, files)

    def locate(self, listing: Listing, file: SharedFile) -> Request:
        """See `Place`."""
        del listing
        url = self._address.url if self._query else self._folder + quote(file.name)
        return Request(url=url, secret=self._secret)

    def _sums(self) -> bytes:
        url, data = self._folder + SUMS, b""
        assert self._fetcher is not None
        try:
            with self._fetcher.get(url, secret=self._secret) as response:
                for chunk in response.iter_raw(1 << 16):
                    data += chunk
                    if len(data) > MOST_BYTES:
                        raise SharingError(f"{url} is longer than {MOST_BYTES} bytes")
        except MissingError as error:
            raise SharingError(
                f"{error}: a folder needs one (`sha256sum *.safetensors > {SUMS}`), a single file "
                "#sha256= and its sum after its address"
            ) from error
        except (httpx.TransportError, AgainError) as error:
            raise SharingError(
                f"cannot reach {url}: {error or type(error).__name__}; --offline takes what was "
                "fetched before"
            ) from error
        return data
