from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.policy.accept_language import preferred


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("de", ["de"]),
        ("de-CH, fr;q=0.9, en;q=0.8, *;q=0.5", ["de-CH", "fr", "en"]),
        ("en;q=0.2, ja ; q=0.9 ,de", ["de", "ja", "en"]),
        ("fr;q=0, de;q=0.000, ja;q=0.001", ["ja"]),
        ("de, fr", ["de", "fr"]),
        ("*", []),
        ("", []),
        ("de;q=2, fr;q=x, ;;, en", ["en"]),
        ("de;q=1.000", ["de"]),
    ],
)
def test_languages_in_order_of_preference(header: str, expected: list[str]) -> None:
    assert preferred([header]) == expected


def test_several_headers_are_one_list() -> None:
    assert preferred(["de;q=0.5", "fr"]) == ["fr", "de"]


def test_a_header_without_end_is_cut() -> None:
    assert len(preferred(["de," * 100_000])) <= 32


@given(st.lists(st.text()))
def test_nothing_is_an_error(values: list[str]) -> None:
    assert all(tag and len(tag) <= 35 for tag in preferred(values))
