"""Text of unknown origin, made harmless in a Markdown page. Pure.

A profile's metadata is whatever its maker wrote. On a page it must not become a link, a heading,
a new cell, or HTML; the Hub renders both.
"""

from __future__ import annotations

import html
import re

from profiles.report.clean import clean

# Marks that turn the direction of text around, and characters that nobody sees.
_HIDDEN = re.compile(
    "[\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
_SPECIAL = re.compile(r"[\\`*_{}\[\]#|~$@^!]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_MOST = 200


def plain(value: object, most: int = _MOST) -> str:
    """`value` as text in a paragraph or a table's cell, on one line, with no markup in it."""
    text = " ".join(_HIDDEN.sub("", str(clean(str(value)))).split())
    if len(text) > most:
        text = f"{text[: most - 1]}…"
    return _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", html.escape(text))


def row(*cells: object) -> str:
    """A table's row; the cells are harmless already, or ours."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"
