"""From the languages counted in an answer to whether it is what was promised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from server.monitor.promise import Promise

Verdict = Literal["hit", "mixed", "miss", "unknown", "none"]
UNKNOWN = "und"
_LEAST = 24  # weight; below it identifiers guess
_HALF = 0.5


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of one answer.

    Attributes:
        verdict: hit, mixed, miss; unknown where the text is too short or not identified; none
            where nothing was promised.
        found: the wanted language of a hit, else the main one that it was not to be in; of a hit
            by suppression, or where nothing was promised, the main one; "und" if unknown.
        shares: of each identified language, largest first; they add up to 1.
    """

    verdict: Verdict
    found: str
    shares: Mapping[str, float]


def judge(counted: Mapping[str, int], promise: Promise) -> Finding:
    """Hold what was counted against the promise.

    A hit is in the right language but for the tolerated share; a miss is by more than half in
    others; what lies between is mixed.

    Args:
        counted: weight of the text by language, "und" for what is not identified.
        promise: what it was to be.
    """
    known = {language: n for language, n in counted.items() if language != UNKNOWN and n}
    total = sum(known.values())
    if total < _LEAST or total < _HALF * sum(counted.values()):
        return Finding(verdict="unknown", found=UNKNOWN, shares={})
    ranked = sorted(known, key=lambda language: (-known[language], language))
    shares = {language: known[language] / total for language in ranked}
    if promise.wanted:
        wrong = [language for language in ranked if language != promise.wanted]
    else:
        wrong = [language for language in ranked if language in promise.unwanted]
    if not promise.wanted and not promise.unwanted:
        return Finding(verdict="none", found=ranked[0], shares=shares)
    share = sum(shares[language] for language in wrong)
    if share <= promise.tolerate:
        return Finding(verdict="hit", found=promise.wanted or ranked[0], shares=shares)
    verdict: Verdict = "miss" if share > _HALF else "mixed"
    return Finding(verdict=verdict, found=wrong[0], shares=shares)
