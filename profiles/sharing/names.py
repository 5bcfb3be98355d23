"""Names of files that come from elsewhere. Pure.

What is fetched lands in a folder that a server loads from, so a name is taken only where it is
a language's, spelled as we would: such a name cannot leave the folder. Everything else that a
place holds stays there; a name that tries to be a path elsewhere makes the place untrustworthy.
"""

from __future__ import annotations

import re

from profiles.errors import CorpusError, SharingError
from profiles.language import check_tag
from profiles.store import SUFFIX

SIGNATURE = ".minisig"
SUMS = "SHA256SUMS"
CARD = "README.md"
KEY = "profiles.pub"
_LONGEST = 400
_CONTROL = re.compile(r"[\0-\x1f\x7f\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z]:")


def check_path(path: str, where: str) -> str:
    """`path`, a file's in a place called `where`, if it stays within that place.

    Raises:
        SharingError: it is absolute, climbs, or is no name on some system.
    """
    parts = path.split("/")
    if (
        not path
        or len(path) > _LONGEST
        or _CONTROL.search(path)
        or "\\" in path
        or _DRIVE.match(path)
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise SharingError(
            f"{where} lists a file {path[:80]!r}, which could end up outside its folder: nothing "
            "is taken from there"
        )
    return path


def language_of(name: str) -> str | None:
    """The language of a profile's file name, None where `name` is not one."""
    if not name.endswith(SUFFIX):
        return None
    stem = name.removesuffix(SUFFIX)
    try:
        return stem if check_tag(stem) == stem else None
    except CorpusError:
        return None


def profile_name(language: str) -> str:
    """The name of a language's profile file."""
    return f"{language}{SUFFIX}"


def signature_name(name: str) -> str:
    """The name of the signature beside a file."""
    return f"{name}{SIGNATURE}"
