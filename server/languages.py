"""BCP 47 language tags, as far as choosing a profile needs them.

Written here rather than taken from a library: CLDR's distances call Danish near to Norwegian
and Swiss German near to German, which is right for choosing a web page and wrong for choosing
an edit, and the libraries cache every tag that clients ever sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_MAX_LENGTH = 35  # RFC 5646, section 4.4.1: the longest tag that has to be supported
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?:-(?P<extlang>[a-z]{3}))?(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|[0-9]{3}))?(?:-[a-z0-9]{1,8})*"
)

# Deprecated codes, and single languages that stand for their macrolanguage (CLDR's choice).
_ALIASES: Mapping[str, str] = {
    "arb": "ar",
    "cmn": "zh",
    "ekk": "et",
    "in": "id",
    "iw": "he",
    "jw": "jv",
    "lvs": "lv",
    "mo": "ro",
    "nb": "no",
    "pes": "fa",
    "swh": "sw",
    "tl": "fil",
    "zsm": "ms",
}

# Languages in everyday use in two scripts: the usual one, then that of single regions.
_SCRIPTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "az": ("latn", {"IR": "arab"}),
    "mn": ("cyrl", {"CN": "mong"}),
    "ms": ("latn", {}),
    "pa": ("guru", {"PK": "arab"}),
    "sr": ("cyrl", {"ME": "latn"}),
    "uz": ("latn", {"AF": "arab"}),
    "zh": ("hans", {"TW": "hant", "HK": "hant", "MO": "hant"}),
}


@dataclass(frozen=True, kw_only=True)
class LanguageTag:
    """A tag, taken apart as far as it matters.

    Attributes:
        language: lower case, aliases resolved.
        script: lower case, the usual one of the language where the tag has none; "" if unknown.
        region: upper case, or "".
        text: the whole tag in lower case, which also tells `de` from `de-x-formal`.
    """

    language: str
    script: str
    region: str
    text: str

    @classmethod
    def parse(cls, text: str) -> LanguageTag:
        """Read a tag in any case, with "-" or "_".

        Raises:
            ValueError: `text` is not a language tag, or names no single language (und, mul).
        """
        text = text.lower().replace("_", "-")
        match = _TAG.fullmatch(text) if len(text) <= _MAX_LENGTH else None
        if match is None:
            raise ValueError('not a BCP 47 language tag such as "de" or "pt-BR"')
        language = match["extlang"] or match["language"]
        language = _ALIASES.get(language, language)
        if language in {"mis", "mul", "und", "zxx"}:
            raise ValueError("names no single language")
        region = (match["region"] or "").upper()
        usual, by_region = _SCRIPTS.get(language, ("", {}))
        script = match["script"] or by_region.get(region, usual)
        return cls(language=language, script=script, region=region, text=text)

    def distance(self, other: LanguageTag) -> int | None:
        """How far a profile for `other` is from this wish; None where it will not do.

        Another language or another script never does. 0: same region; 1: the profile is for
        no region in particular, or the wish is; 2: another region.
        """
        if self.language != other.language:
            return None
        # A script on one side only is the usual one, spelled out (de-Latn).
        if self.script and other.script and self.script != other.script:
            return None
        if self.region == other.region:
            return 0
        return 2 if self.region and other.region else 1
