from __future__ import annotations

import pytest

from profiles.judging.table import method_label, short


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.954, "0.95"), (1.0, "1.00"), (12.34, "12.3"), (99.97, "100"), (500.4, "500"), (3e6, "3e6")],
)
def test_short(ratio: float, text: str) -> None:
    assert short(ratio) == text


def test_method_label() -> None:
    assert method_label({"method": "steered", "strength": 0.5}) == "steered × 0.5"
    assert method_label({"method": "lape", "strength": None}) == "lape"
