from __future__ import annotations

from typing import Any

import pytest

from profiles.judging.cell import averages, by_source, measure
from profiles.judging.judge import Verdict

AMONG = ("de", "en", "fr", "ja")
GERMAN = "Am Morgen lag noch Nebel über dem Fluss, und niemand war auf der Brücke."


def verdict(
    language: str = "de",
    *,
    second: str | None = None,
    repetitive: bool = False,
    bits: float | None = 80.0,
    size: int = 80,
    text: str = GERMAN,
) -> Verdict:
    return Verdict(
        text=text,
        language=language,
        probability=0.9,
        second=second or language,
        repetitive=repetitive,
        bits=bits,
        bytes=size,
    )


def test_success_needs_language_and_no_repetition() -> None:
    found = measure(
        [verdict(), verdict(repetitive=True), verdict("en"), verdict("und")],
        "de-AT",
        natural={},
        among=AMONG,
    )
    assert found["success"]["value"] == 0.25
    assert found["repetition"]["value"] == 0.25
    assert found["second"]["value"] == 0.5
    assert found["languages"] == {"de": 2, "en": 1, "und": 1}
    assert found["count"] == 4
    assert found["length"]["value"] == len(GERMAN)


def test_fluency_against_natural_text() -> None:
    outputs = [verdict(bits=120.0), verdict("en", bits=40.0)]
    found = measure(outputs, "de", natural={"de": 1.25, "en": 0.5}, among=AMONG)
    assert found["bits_per_byte"]["value"] == 1.0
    # All outputs against German: 160 bits where natural German takes 2 x 100.
    assert found["bits_ratio"]["value"] == 0.8
    # Each against the language it is in: natural text takes 100 + 40.
    assert found["bits_ratio_own"]["value"] == pytest.approx(160 / 140, abs=1e-4)


def test_no_likelihood_without_a_model() -> None:
    found = measure([verdict(bits=None)], "de", natural={"de": 1.0}, among=AMONG)
    assert found["bits_per_byte"] is None
    assert found["bits_ratio"] is None


def test_pass_rates_are_those_of_the_texts() -> None:
    english = "In the morning there was still fog over the river."
    outputs = [verdict(), verdict(text=f"{GERMAN}\n{english}")]
    found = measure(outputs, "de", natural={}, among=AMONG)
    assert found["lpr"]["value"] == 0.5
    assert found["wpr"] is None


def test_denied_counts_degenerate_text_too() -> None:
    outputs = [verdict("de", repetitive=True), verdict("en"), verdict("fr"), verdict("fr")]
    found = measure(outputs, "de", natural={"de": 1.0}, among=AMONG, denied=True)
    assert found["denied"]["value"] == 0.25
    assert found["languages"] == {"fr": 2, "de": 1, "en": 1}
    assert "success" not in found
    assert found["bits_ratio"] is None  # there is no one language it should be in


def test_by_source() -> None:
    found = by_source([verdict(), verdict("en"), verdict()], ["fr", "fr", "it"], "de")
    assert found["fr"]["value"] == 0.5
    assert found["it"]["value"] == 1.0


def cell(language: str, hits: int, **more: Any) -> dict[str, Any]:
    key = {"role": "target", "condition": "bos", "method": "steered", "strength": 1.0}
    share = {"value": hits / 20, "low": 0.0, "high": 1.0, "count": 20}
    return {**key, "language": language, "success": share, **more}


def test_averages_pool_shares_and_average_the_rest() -> None:
    bits = [{"bits_ratio": {"value": value}} for value in (1.0, 1.5)]
    other = cell("de", 0) | {"method": "unsteered", "strength": None}
    found = averages([cell("de", 20, **bits[0]), cell("fr", 10, **bits[1]), other])
    assert [row["method"] for row in found] == ["steered", "unsteered"]
    assert found[0]["success"]["value"] == 0.75
    assert found[0]["success"]["count"] == 40
    assert found[0]["success"]["low"] == pytest.approx(0.598, abs=1e-3)
    assert found[0]["bits_ratio"] == 1.25
    assert found[0]["languages"] == ["de", "fr"]
    assert found[1]["bits_ratio"] is None
