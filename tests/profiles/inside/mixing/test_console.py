"""Tables on a narrow screen: figures are whole, pairs unbroken."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from profiles.inside.mixing.console import show_study

SCOPES = ["attention", "pre_norm", "ff", "post_norm", "residual"]
TAGS = ["en", "de", "ja", "pt-BR"]


def layer(count: int) -> dict[str, Any]:
    pair = {"target": 3, "source": 1, "tokens": [" Donaudampfer", "窓[/x]"], "before": 0.1234}
    found = [{**pair, "after": 0.2 + n / 100} for n in range(count)]
    return {
        "layer": 17,
        "mixing_ratio": dict.fromkeys(SCOPES, 0.4567),
        "change": {**dict.fromkeys(SCOPES, 0.1234), "attention": None},
        "change_from_attention": dict.fromkeys(SCOPES, 0.0987),
        "first_token": 0.76,
        "completeness": {"ff": 1e-6},
        "pairs": {"ff": {"amplified": found, "reduced": found[:1]}},
    }


def facts(count: int) -> dict[str, Any]:
    shares = {"change": 0.1111, "share_before": 0.42, "share_after": 0.36}
    row = {
        "layer": 17,
        "change": dict.fromkeys(SCOPES, 0.3333),
        "mixing_before": dict.fromkeys(SCOPES, 0.41),
        "mixing_after": dict.fromkeys(SCOPES, 0.39),
        "edit_share": dict.fromkeys(SCOPES, 0.07),
        "languages": dict.fromkeys(TAGS, shares),
    }
    return {
        "model": {"name": "some/model"},
        "dtype": "float32",
        "completeness": 1e-6,
        "tokens": ["a"] * 12,
        "pieces": [{"language": tag, "text": "x"} for tag in TAGS],
        "scopes": SCOPES,
        "layers": [layer(count)],
        "steered": {
            "profile": "de@1234",
            "role": "target",
            "strength": 1.0,
            "layers": [layer(count)],
            "disturbance": [row],
        },
    }


@pytest.mark.parametrize("width", [80, 200])
def test_nothing_is_cut(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    show_study(facts(5), [])
    shown = capsys.readouterr().out
    assert max(map(cell_len, shown.splitlines())) <= width
    assert "…" not in shown
    for figure in ("0.46", "0.12", "0.10", "76%", "0.41→0.39", "from pt-BR, %", "42→36"):
        assert figure in shown, figure
    assert shown.count("Donaudampfer ← 窓[/x] 12→") == 4
    assert "Donaudampfer ← 窓[/x] 12→23" not in shown  # the fourth of five


def test_a_table_without_pairs_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    show_study(facts(0), [])
    assert "amplified" not in capsys.readouterr().out
