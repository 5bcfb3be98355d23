"""How the process's allocator treats the large arrays that models make and drop every step."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_GIB = 1 << 30


def keep_freed_memory() -> bool:
    """Let glibc reuse freed arrays of up to a GiB instead of giving each back to the system.

    A step's logits take hundreds of megabytes where the vocabulary is large; mapped anew every
    step, they cost a quarter to a half of the time in page faults. The price is a process that
    stays as large as it once was, so this is for commands that end, not for servers.

    Returns:
        Whether it took; elsewhere than on glibc nothing happens.
    """
    mallopt = _glibc("mallopt")
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _GIB)) and bool(mallopt(_M_TRIM_THRESHOLD, 2 * _GIB - 1))


def give_back_freed_memory() -> bool:
    """Give all that is free back to the system once, the holes between what is in use included.

    For the end of a piece of work after `keep_freed_memory`: arrays of the next piece are of other
    sizes, do not fit the holes, and the process would grow from piece to piece.

    Returns:
        Whether there was anything; elsewhere than on glibc nothing happens.
    """
    trim = _glibc("malloc_trim")
    return trim is not None and bool(trim(0))


def _glibc(name: str) -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    function: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)
    return function
