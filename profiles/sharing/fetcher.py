"""GET over https, with redirects followed by our own rules."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import httpx

from profiles.errors import SharingError
from profiles.sharing.loopback import is_loopback
from profiles.sharing.redirect import check_redirect, same_origin
from profiles.versions import installed

_MOST_REDIRECTS = 5
_PATIENCE = httpx.Timeout(30.0, connect=10.0)


class MissingError(SharingError):
    """A server says that it has no such file."""


class AgainError(Exception):
    """What may go well the next time; never shown as it is."""


class Fetcher:
    """Opens addresses. To be closed, as a context.

    Args:
        allowed: hosts that a server may redirect to beside itself.
        patience: seconds to wait for a connection, and for the next bytes.
    """

    def __init__(
        self, allowed: Collection[str] = (), patience: httpx.Timeout | float = _PATIENCE
    ) -> None:
        self._allowed = frozenset(allowed)
        self._patience = patience
        # By whether proxies of the environment are asked: never for this machine.
        self._clients: dict[bool, httpx.Client] = {}

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *error: object) -> None:
        for client in self._clients.values():
            client.close()

    @contextmanager
    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        secret: Mapping[str, str] | None = None,
        anywhere: bool = False,
    ) -> Iterator[httpx.Response]:
        """The answer, its body still to be read.

        Args:
            url: https, or http on this machine.
            headers: to send wherever it leads.
            secret: headers to send to `url`'s own origin only.
            anywhere: whether redirects to any host are followed.

        Raises:
            MissingError: there is no such file.
            SharingError: it is refused, redirected somewhere else, or a web page.
            AgainError: the server is busy or broken.
            httpx.TransportError: it cannot be reached.
        """
        first = at = httpx.URL(url)
        for _ in range(_MOST_REDIRECTS + 1):
            own = secret if secret and same_origin(first, at) else {}
            sent = {"Accept-Encoding": "identity", **(headers or {}), **own}
            with self._client(at).stream("GET", at, headers=sent) as response:
                if not response.has_redirect_location:
                    _check(response)
                    yield response
                    return
                try:
                    target = at.join(response.headers["Location"])
                except (httpx.InvalidURL, ValueError) as error:
                    raise SharingError(f"{at} redirects to what is no address: {error}") from error
            check_redirect(at, target, self._allowed, anywhere=anywhere)
            at = target
        raise SharingError(f"{url} redirects over {_MOST_REDIRECTS} times")

    def _client(self, url: httpx.URL) -> httpx.Client:
        proxied = not is_loopback(url.host)
        if proxied not in self._clients:
            self._clients[proxied] = httpx.Client(
                trust_env=proxied,
                timeout=self._patience,
                headers={"User-Agent": f"langsteer/{installed('langsteer')}"},
            )
        return self._clients[proxied]


def _check(response: httpx.Response) -> None:
    status, url = response.status_code, response.url.copy_with(query=None)
    if status in (404, 410):
        raise MissingError(f"there is no {url} (HTTP {status})")
    if status in (401, 403):
        raise SharingError(
            f"{url} is refused (HTTP {status}): a token goes into LANGSTEER_PROFILES_TOKEN, one of "
            "the Hub's into HF_TOKEN"
        )
    if status in (408, 425, 429) or status >= 500:
        raise AgainError(f"HTTP {status}")
    if status not in (200, 206, 416):
        raise SharingError(f"{url} answers with HTTP {status}, expected 200")
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise SharingError(
            f"{url} answers with a web page, not with the file: a page to log in at, or the "
            "address of a page that shows the file"
        )
    if (coding := response.headers.get("Content-Encoding", "identity").lower()) != "identity":
        raise SharingError(f"{url} answers with Content-Encoding {coding}, which was not asked for")
