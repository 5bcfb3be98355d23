from __future__ import annotations

from collections.abc import Mapping

import pytest

from server.monitor.promise import Promise
from server.monitor.verdict import judge

GERMAN = Promise(wanted="de", unwanted=("zh",))
NO_CHINESE = Promise(unwanted=("zh", "ja"))


@pytest.mark.parametrize(
    ("counted", "promise", "verdict", "found"),
    [
        ({"de": 100}, GERMAN, "hit", "de"),
        ({"de": 91, "en": 9}, GERMAN, "hit", "de"),
        ({"de": 89, "en": 11}, GERMAN, "mixed", "en"),
        ({"de": 50, "en": 20, "fr": 30}, GERMAN, "mixed", "fr"),
        ({"de": 49, "en": 51}, GERMAN, "miss", "en"),
        ({"en": 100}, GERMAN, "miss", "en"),
        ({"de": 100, "und": 90}, GERMAN, "hit", "de"),
        ({"de": 100, "und": 110}, GERMAN, "unknown", "und"),
        ({"en": 20}, GERMAN, "unknown", "und"),
        ({}, GERMAN, "unknown", "und"),
        ({"ko": 100}, NO_CHINESE, "hit", "ko"),
        ({"ko": 95, "zh": 5}, NO_CHINESE, "hit", "ko"),
        ({"ko": 70, "zh": 20, "ja": 10}, NO_CHINESE, "mixed", "zh"),
        ({"ko": 40, "zh": 60}, NO_CHINESE, "miss", "zh"),
        ({"ko": 40, "en": 60}, Promise(), "none", "en"),
        ({"de": 80, "en": 20}, Promise(wanted="de", tolerate=0.2), "hit", "de"),
        ({"de": 99, "en": 1}, Promise(wanted="de", tolerate=0.0), "mixed", "en"),
    ],
)
def test_verdicts(counted: Mapping[str, int], promise: Promise, verdict: str, found: str) -> None:
    finding = judge(counted, promise)
    assert (finding.verdict, finding.found) == (verdict, found)


def test_shares_are_of_what_was_identified_largest_first() -> None:
    finding = judge({"en": 25, "de": 75, "und": 50}, GERMAN)
    assert list(finding.shares.items()) == [("de", 0.75), ("en", 0.25)]
