"""Which redirects are followed. Pure."""

from __future__ import annotations

from collections.abc import Collection

from httpx import URL

from profiles.errors import SharingError
from profiles.sharing.loopback import is_loopback


def same_origin(one: URL, other: URL) -> bool:
    """Whether credentials for one may be sent to the other."""
    return (one.scheme, one.netloc) == (other.scheme, other.netloc)


def check_redirect(at: URL, target: URL, allowed: Collection[str], *, anywhere: bool) -> None:
    """Refuse a redirect that an operator has not agreed to.

    Args:
        at: who answers with it.
        target: where to.
        allowed: hosts that may be redirected to.
        anywhere: whether other hosts may, too: where a digest from elsewhere says what must come.

    Raises:
        SharingError: it leaves https, goes to this machine, or to another host.
    """
    where = f"{at.copy_with(query=None)} redirects to {target.copy_with(query=None, userinfo=b'')}"
    if target.userinfo:
        raise SharingError(f"{where}, with a name or password: not followed")
    here = is_loopback(target.host)
    if here and not is_loopback(at.host):
        raise SharingError(f"{where}, which is this machine: not followed")
    if target.scheme != "https" and not (target.scheme == "http" and here):
        raise SharingError(f"{where}: only https:// is followed")
    if (at.host, at.port) == (target.host, target.port) or (at.host == target.host and not here):
        return
    if not anywhere and not {target.host, target.netloc.decode()} & {*allowed}:
        raise SharingError(
            f"{where}, another host: a login page, or where the files really are; "
            f"--allow-host {target.netloc.decode()} if it is right"
        )
