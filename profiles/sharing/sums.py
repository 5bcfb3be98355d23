"""SHA256SUMS, as `sha256sum` writes and checks it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from profiles.errors import SharingError
from profiles.sharing.names import check_path

MOST_BYTES = 1 << 20
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


def parse_sums(data: bytes, where: str) -> dict[str, str]:
    """SHA-256 (hex) by file name.

    Args:
        data: the file.
        where: it is, for errors.

    Raises:
        SharingError: a line is not one of such a file, or a name leaves the folder.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise SharingError(f"{where} is not text: not a file of `sha256sum`") from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise SharingError(
                f"{where}, line {number}: {line[:60]!r} is not '<64 hex digits>  <name>', as "
                "`sha256sum` writes it"
            )
        name = check_path(match[2].removeprefix("./"), where)
        if found.setdefault(name, match[1].lower()) != match[1].lower():
            raise SharingError(f"{where}: {name} is there twice, with different sums")
    return found


def format_sums(sums: Mapping[str, str]) -> bytes:
    """The inverse of `parse_sums`, sorted by name."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())).encode()
