"""Text from files the page shows, made fit for an HTML page in UTF-8."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Controls and non-characters HTML forbids, and halves of surrogate pairs, which JSON can hold and
# UTF-8 cannot. Tab and the line ends stay.
_UNFIT = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def clean(value: Any) -> Any:
    """`value`, JSON-like, with each character that no page may hold replaced by U+FFFD."""
    if isinstance(value, str):
        return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, Mapping):
        return {clean(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value
