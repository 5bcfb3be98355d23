from __future__ import annotations

from typing import Any

import pytest

from profiles.judging.table import method_label, short, show_evaluation


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.954, "0.95"), (1.0, "1.00"), (12.34, "12.3"), (99.97, "100"), (500.4, "500"), (3e6, "3e6")],
)
def test_short(ratio: float, text: str) -> None:
    assert short(ratio) == text


def test_method_label() -> None:
    assert method_label({"method": "steered", "strength": 0.5}) == "steered × 0.5"
    assert method_label({"method": "lape", "strength": None}) == "lape"


def test_where_suppressed_outputs_go_is_not_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    share = {"value": 0.5, "low": 0.25, "high": 1.0, "count": 100}
    row: dict[str, Any] = {
        "role": "suppress",
        "condition": "denied-paragraph",
        "method": "steered",
        "strength": 1.25,
        **dict.fromkeys(("denied", "second", "repetition"), share),
        **dict.fromkeys(("bits_per_byte", "bits_ratio_own"), 10.25),
        "languages_found": {"it": 34, "en": 33, "und": 33},
    }
    result = {
        "model": {"name": "tiny"},
        "options": {"samples": 100, "tokens": 8, "seed": 1, "phase": "decode"},
        "text": {"source": "passages"},
        "averages": [row],
        **dict.fromkeys(("cells", "damage", "skipped"), ()),
        "seconds": 1.0,
    }
    show_evaluation(result)
    shown = capsys.readouterr().out
    assert "answers alone are steered" in shown
    assert "…" not in shown
    assert {"it", "34", "en", "33", "und"} <= {*shown.split()}
