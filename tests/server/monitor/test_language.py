from __future__ import annotations

import pytest

from server.monitor.language import gently, language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Dette er en helt vanlig norsk setning om været i Oslo i dag.", "no"),
        ("Das ist ein \ud800 ganz gewöhnlicher deutscher Satz.", "de"),
        ("12345 !?", "und"),
        ("", "und"),
    ],
)
def test_tags_are_written_as_profiles_are(text: str, language: str) -> None:
    assert language_of(text) == gently(text) == language
