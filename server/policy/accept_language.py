"""The header Accept-Language (RFC 9110, section 12.5.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MOST = 32
_PART = re.compile(
    r"\s*([A-Za-z0-9-]{1,35})\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?"
)


def preferred(values: Sequence[str]) -> list[str]:
    """Its languages, most wanted first; without those of weight 0, "*" and what cannot be read.

    Args:
        values: every such header of a request. Only the first 32 languages count.
    """
    parts = ",".join(value[:2000] for value in values[:4]).split(",")[:_MOST]
    weighted = [
        (weight, match[1])
        for part in parts
        if (match := _PART.fullmatch(part)) and (weight := float(match[2] or 1)) > 0
    ]
    # The sort is stable: languages of one weight stay in the client's order.
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]
