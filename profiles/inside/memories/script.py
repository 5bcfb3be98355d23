"""The writing system of a token."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import cache

NONE, PART = "no letters", "part of a character"
# First words of Unicode names that say something else than a script, or more than one name of it.
_NAMES = {"CJK": "Han", "HIRAGANA": "Kana", "KATAKANA": "Kana", "KATAKANA-HIRAGANA": "Kana"}
_FORMS = ("FULLWIDTH", "HALFWIDTH", "MATHEMATICAL", "MODIFIER", "FEMININE", "MASCULINE", "SCRIPT")


def script_of(text: str) -> str:
    """The script that most of its letters are in, by its Unicode name: "Latin", "Han", "Kana".

    Kana is both of Japanese's; a tie goes to the first. `NONE` without letters, `PART` for text
    that is a part of a character only (U+FFFD and no letter).
    """
    found = Counter(_script(c) for c in text if c.isalpha())
    if not found:
        return PART if "\N{REPLACEMENT CHARACTER}" in text else NONE
    return found.most_common(1)[0][0]


@cache
def _script(c: str) -> str:
    words = unicodedata.name(c, "UNKNOWN").split()
    if words[0] in _FORMS:
        words = [word for word in words if word in ("LATIN", "KATAKANA", "HANGUL")] or ["LATIN"]
    return _NAMES.get(words[0], words[0].title())
