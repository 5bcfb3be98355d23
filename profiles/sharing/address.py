"""Where profiles are, from what a user typed. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from profiles.errors import SharingError
from profiles.sharing.loopback import is_loopback
from profiles.sharing.names import check_path

_HUB = "hf://"
_REPO = re.compile(
    r"hf://(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)(?:@(?P<revision>[^/@\s]+))?(?:/(?P<path>.*))?"
)
# The Hub's other kinds of repositories, whose addresses begin like an owner.
_OTHER_KINDS = ("datasets", "spaces", "kernels", "buckets", "models")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FORMS = "a folder, a file, hf://owner/repo[@revision][/path] or https://host/path"


@dataclass(frozen=True, kw_only=True)
class FolderAddress:
    """A folder of profile files, or one file."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, kw_only=True)
class HubAddress:
    """A repository of the Hugging Face Hub, a folder in it, or one file.

    Attributes:
        repo: "owner/name".
        revision: branch, tag or commit; None for the repository's main branch.
        path: a folder, or a file of a profile, in the repository; "" for its root.
    """

    repo: str
    revision: str | None = None
    path: str = ""

    def __str__(self) -> str:
        at = f"@{self.revision}" if self.revision else ""
        return f"{_HUB}{self.repo}{at}" + (f"/{self.path}" if self.path else "")


@dataclass(frozen=True, kw_only=True)
class WebAddress:
    """A folder on a web server, which must list its files' SHA-256, or one file.

    Attributes:
        url: without a fragment; a folder's ends in "/".
        sha256: what the file's must be, where the address says so.
    """

    url: str
    sha256: str | None = None

    def __str__(self) -> str:
        return self.url


Address = FolderAddress | HubAddress | WebAddress


def parse_address(text: str) -> Address:
    """What `text` means.

    Raises:
        SharingError: it is none of the forms; says which there are.
    """
    scheme, separator, _ = text.partition("://")
    if not separator:
        try:
            return FolderAddress(path=Path(text).expanduser())
        except RuntimeError as error:  # ~somebody
            raise SharingError(f"{text}: {error}") from error
    if scheme == "hf":
        return _hub(text)
    if scheme in ("https", "http"):
        return _web(text)
    raise SharingError(f"{text}: {scheme}:// is not supported; give {_FORMS}")


def _hub(text: str) -> HubAddress:
    match = _REPO.fullmatch(text)
    if not match or match["owner"] in _OTHER_KINDS or ".." in match["owner"] + match["name"]:
        raise SharingError(
            f"{text!r} is no model repository of the Hub: give hf://owner/repo, with @revision and "
            "/path where they are needed"
        )
    path = (match["path"] or "").strip("/")
    return HubAddress(
        repo=f"{match['owner']}/{match['name']}",
        revision=unquote(match["revision"]) if match["revision"] else None,
        path=check_path(path, text) if path else "",
    )


def _web(text: str) -> WebAddress:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SharingError(f"{text!r} is no address: {error}") from error
    if not host:
        raise SharingError(f"{text!r} names no host")
    if parts.scheme == "http" and not is_loopback(host):
        raise SharingError(f"{text}: http:// is for this machine alone; use https://")
    if parts.username is not None or parts.password is not None:
        raise SharingError(
            f"{parts._replace(netloc=host).geturl()}: a name or password in an address ends up in "
            "logs; put a token into LANGSTEER_PROFILES_TOKEN"
        )
    url = parts._replace(fragment="").geturl()
    if not parts.fragment:
        return WebAddress(url=url)
    key, _, digest = parts.fragment.partition("=")
    if key != "sha256" or not _SHA256.fullmatch(digest.lower()):
        raise SharingError(f"{text}: after # there may be sha256= and 64 hexadecimal digits only")
    return WebAddress(url=url, sha256=digest.lower())
