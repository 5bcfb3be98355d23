"""Whether bytes are those that a listing means. Pure."""

from __future__ import annotations

import hashlib

from profiles.sharing.listing import SharedFile


def sha256(data: bytes) -> str:
    """Hex."""
    return hashlib.sha256(data).hexdigest()


def git_sha1(data: bytes) -> str:
    """What git calls a file of that content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def mismatch(file: SharedFile, data: bytes) -> str | None:
    """What is not as it should be, as a clause; None where nothing is."""
    if file.size is not None and len(data) != file.size:
        return f"has {len(data)} bytes, expected {file.size}"
    for what, expected, found in (
        ("SHA-256", file.sha256, sha256),
        ("git SHA-1", file.git_sha1, git_sha1),
    ):
        if expected is not None and (digest := found(data)) != expected:
            return f"has {what} {digest}, expected {expected}"
    return None
