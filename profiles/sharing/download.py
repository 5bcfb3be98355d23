"""A file over https that goes on where it stopped, and stops where it should."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from profiles.errors import SharingError
from profiles.sharing.fetcher import AgainError, Fetcher

_IDLE = 4  # tries in a row that bring nothing
_MOST_TRIES = 40
# Slower than this many bytes a second, after so many seconds, is a server that keeps us waiting.
_SLOWEST, _SLOW_AFTER = 512, 60.0
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


@dataclass(frozen=True, kw_only=True)
class Request:
    """How to get a file.

    Attributes:
        url: its address.
        secret: headers for the address's own host only.
        anywhere: whether it may be redirected to any host.
    """

    url: str
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)
    anywhere: bool = False


def download(
    fetcher: Fetcher,
    request: Request,
    part: Path,
    *,
    most: int,
    size: int | None = None,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
    pause: float = 0.5,
) -> None:
    """Complete `part`, whatever it holds already.

    Who calls compares the digest: what is there from before may be of another file.

    Args:
        fetcher: opens the address.
        request: what to open.
        part: the file so far, or none; stays where the download fails half-way.
        most: bytes that the file may have.
        size: that it has, where that is known.
        tell: is told of (bytes so far, all of them).
        pause: seconds to wait before the second try; doubles while nothing comes.

    Raises:
        SharingError: it cannot be had, or is longer than it may be; `part` is gone then.
    """
    bound = most if size is None else min(most, size)
    if size is not None and size > most:
        raise SharingError(f"{request.url} has {size} bytes, no profile has over {most}")
    idle, last = 0, ""
    for _ in range(_MOST_TRIES):
        have = part.stat().st_size if part.is_file() else 0
        if have > bound:
            part.unlink()
            have = 0
        if size is not None and have == size:
            return
        try:
            _attempt(fetcher, request, part, have, bound, size, tell)
            return
        except (httpx.TransportError, AgainError) as error:
            last = str(error) or type(error).__name__
        grown = part.is_file() and part.stat().st_size > have
        idle = 0 if grown else idle + 1
        if idle >= _IDLE:
            break
        time.sleep(pause * 2**idle)
    kept = part.stat().st_size if part.is_file() else 0
    more = f"; {kept} bytes are kept, the same command goes on from there" if kept else ""
    raise SharingError(f"{_shown(request.url)} cannot be fetched: {last}{more}")


def _attempt(
    fetcher: Fetcher,
    request: Request,
    part: Path,
    have: int,
    bound: int,
    size: int | None,
    tell: Callable[[int, int], None],
) -> None:
    headers = {"Range": f"bytes={have}-"} if have else {}
    with fetcher.get(
        request.url, headers=headers, secret=request.secret, anywhere=request.anywhere
    ) as response:
        if response.status_code == 416:  # there is no more, or it is another file by now
            part.unlink(missing_ok=True)
            raise AgainError("HTTP 416: the server has not as much as is here already")
        if response.status_code == 206:
            match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if not match or int(match[1]) != have:
                part.unlink(missing_ok=True)
                raise AgainError("another part came than was asked for")
        else:
            have = 0
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else size
        _check_length(request.url, total or 0, bound, part)
        done, since = have, time.monotonic()
        # A link put there by somebody else is not followed.
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(part, flags, 0o600), "wb") as out:
            out.truncate(have)
            out.seek(have)
            for chunk in response.iter_raw():  # as it comes: what is kept can go on
                done += len(chunk)
                if done > bound:
                    break
                out.write(chunk)
                tell(done, total or bound)
                _check_pace(done - have, time.monotonic() - since)
        _check_length(request.url, done, bound, part)
    if size is not None and done < size:
        raise AgainError(f"it ended after {done} of {size} bytes")


def _check_pace(size: int, seconds: float) -> None:
    if seconds > _SLOW_AFTER and size < _SLOWEST * seconds:
        raise AgainError(f"{size} bytes came in {seconds:.0f} seconds")


def _check_length(url: str, length: int, bound: int, part: Path) -> None:
    if length > bound:
        part.unlink(missing_ok=True)
        raise SharingError(f"{_shown(url)} is longer than the {bound} bytes it may have")


def _shown(url: str) -> str:
    """Without the query: it may hold a signature that lets others in."""
    return url.partition("?")[0]
