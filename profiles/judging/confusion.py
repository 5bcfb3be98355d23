"""Line and word pass rates of the Language Confusion Benchmark. Pure.

Marchisio et al. 2024, "Understanding and Mitigating Language Confusion in LLMs".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from profiles.judging.identify import primary
from profiles.judging.interval import Interval, wilson

# Text → its language and how probable that is.
Detect = Callable[[str], tuple[str, float]]

FEWEST_TOKENS = 5
LEAST_PROBABILITY = 0.3
WORD_LANGUAGES = frozenset({"ar", "hi", "ja", "ko", "ru", "zh"})
_WORD = re.compile(r"(?<![^\W\d_])[a-z]{4,}(?![^\W\d_])")


@dataclass(frozen=True, kw_only=True)
class PassRates:
    """How often responses stay in their language.

    Attributes:
        line: LPR, share of responses without a wrong line; None of none.
        word: WPR, share of the responses that passed by line that hold no English word; None for
            languages in Latin script, and where no response passed.
        judged: responses with at least one line long enough to judge; the others pass.
    """

    line: Interval | None
    word: Interval | None
    judged: int


def pass_rates(
    responses: Sequence[str],
    language: str,
    detect: Detect,
    english: Collection[str] | None = None,
) -> PassRates:
    """LPR and WPR of responses that should be in `language`.

    Args:
        responses: texts.
        language: tag.
        detect: names a line's language (primary tag) and its probability.
        english: what counts as an English word, lower case. Without it any run of over three
            lowercase ASCII letters does: in these languages' scripts there is little else.
    """
    wanted = primary(language)
    lines = [judged_lines(response) for response in responses]
    passed = [
        response
        for response, found in zip(responses, lines, strict=True)
        if not any(_is_wrong(line, wanted, detect) for line in found)
    ]
    word = None
    if wanted in WORD_LANGUAGES:
        clean = sum(not english_words(response, english) for response in passed)
        word = wilson(clean, len(passed))
    return PassRates(
        line=wilson(len(passed), len(responses)), word=word, judged=sum(map(bool, lines))
    )


def judged_lines(response: str) -> list[str]:
    """The lines of at least five tokens, punctuation stripped."""
    stripped = (
        "".join(c for c in line if not unicodedata.category(c).startswith("P"))
        for line in response.splitlines()
    )
    return [line.strip() for line in stripped if count_tokens(line) >= FEWEST_TOKENS]


def count_tokens(line: str) -> int:
    """Words between blanks; Chinese and Japanese, which have none, count by character."""
    spaced = "".join(f" {c} " if _is_unspaced(c) else c for c in line)
    return len(spaced.split())


def english_words(text: str, english: Collection[str] | None = None) -> list[str]:
    """Lowercase English words of over three letters; see `pass_rates`."""
    return [word for word in _WORD.findall(text) if english is None or word in english]


def _is_wrong(line: str, wanted: str, detect: Detect) -> bool:
    language, probability = detect(line)
    return primary(language) != wanted or probability <= LEAST_PROBABILITY


def _is_unspaced(c: str) -> bool:
    # Kana, CJK ideographs and their extensions; Hangul is written with blanks.
    return "\u3040" <= c <= "\u30ff" or "\u3400" <= c <= "\u9fff" or c >= "\U00020000"
