"""Tokens as labels of a picture: numbered, short, and in letters that its fonts have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

_OWN = "DejaVu Sans"
# Files of fonts for other scripts, where a system has them: matplotlib's own list may not.
_FILES = ("NotoSansCJK-Regular", "NotoSansThai-Regular", "NotoSansArabic-Regular")
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


def lost_letters(tokens: Sequence[str]) -> str | None:
    """What to say where labels lack letters; None where they have all."""
    lost = {letter for token in tokens for letter in token.strip()} - {*map(chr, _letters())}
    if not lost:
        return None
    return (
        f"no font found has {len(lost)} of the letters, such as {max(lost)}: pictures have · "
        f"for them. Fonts looked for: {', '.join(_FILES)}"
    )


def fonts() -> list[str]:
    """Families for matplotlib to fall back on, one after the other."""
    return [_OWN, *_others()]


@lru_cache(maxsize=1)
def _others() -> tuple[str, ...]:
    found = {Path(file).stem: file for file in font_manager.findSystemFonts()}
    files = [found[stem] for stem in _FILES if stem in found]
    for file in files:
        font_manager.fontManager.addfont(file)
    return tuple(FT2Font(file).family_name for file in files)


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    have: set[int] = set()
    for family in fonts():
        have |= {*FT2Font(font_manager.findfont(family)).get_charmap()}
    return frozenset(have)
