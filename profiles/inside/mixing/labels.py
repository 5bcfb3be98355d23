"""Tokens as labels of a picture: numbered, short, and in letters that its fonts have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from matplotlib import font_manager

_FAMILIES = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "Noto Sans Thai",
    "Noto Sans Arabic",
)
_LONGEST = 12


def token_labels(tokens: Sequence[str]) -> list[str]:
    """A label a token; letters that no installed font has become "·", the number still tells."""
    known = _letters()
    out = []
    for number, token in enumerate(tokens):
        short = token.strip() or "␣"
        short = short if len(short) <= _LONGEST else f"{short[: _LONGEST - 1]}…"
        drawn = "".join(letter if ord(letter) in known else "·" for letter in short)
        out.append(f"{drawn} {number}".replace("$", r"\$"))
    return out


def fonts() -> list[str]:
    """The installed ones of those that have many scripts, as matplotlib falls back on them."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in _FAMILIES if name in installed]


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    have: set[int] = set()
    for family in fonts():
        have |= {*FT2Font(font_manager.findfont(family)).get_charmap()}
    return frozenset(have)
