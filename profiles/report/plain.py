"""Names from a file, as a plot can hold them."""

from __future__ import annotations

_LONGEST = 22


def plain(name: str) -> str:
    """`name` in one short line of ASCII: matplotlib has no glyphs, and a plot no room, for more."""
    kept = "".join(c if (c.isascii() and c.isprintable()) or c == "×" else "?" for c in name)
    return kept if len(kept) <= _LONGEST else f"{kept[: _LONGEST - 1]}."
