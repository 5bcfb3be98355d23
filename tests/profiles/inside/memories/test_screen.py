"""Tables on a terminal of 80 columns: no figure is cut, and nothing is taken for markup."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.inside.memories.screen import show_edits, show_neuron
from profiles.inside.memories.screen_layers import show_layer, show_model

TAGS = ["de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "zh"]
ODD = "out/[bold]/[/x]"


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def _layer(number: int) -> dict[str, Any]:
    """As wide as figures get."""
    shares = {"first": 1.0, "by_chance": 0.1234, "listed": 0.2, "neurons": 2048}
    return {
        "layer": number,
        "agreement": {"promotes": shares, "demotes": shares},
        "composition": {
            "agrees_with_no_memory": 1.0,
            "agrees_with_largest": 1.0,
            "effective_memories": 12597,
            "positions": 120,
        },
        "triggers": {
            "one_language": 1.0,
            "own_mass": 0.222,
            "others_mass": 1.0,
            "by_language": {"de": 3},
        },
        "refinement": {
            "positions": 240,
            "before_is_final": 1.0,
            "after_is_final": 1.0,
            "before_probability": 0.301,
            "after_probability": 0.402,
            "median_rank": 262144,
            **{f"from_{who}": 1.0 for who in ("stream", "both", "output", "neither")},
        },
    }


def test_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    settled = {"mean": 3.0, "by_language": {"de": 1.0}}
    show_model({"model": ODD, "layers": [_layer(0), _layer(17)], "settled_at_layer": settled})
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert f"{ODD}: memories by layer" in shown
    for text in ("100.00% 12.34% 100.00%", "12597", "22.2% (100.0%)", "0.402 262,144", "neither's"):
        assert text in shown


def test_a_layer(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"neuron": 2022, "ap": 0.987, "promotes": ["▁nicht"] * 9, "promotes_mass": 1.0}
    best = [{**row, "demotes": ["a[/x]"] * 9, "demotes_mass": 1.0}]
    facts = {**_layer(3), "model": ODD, "languages": [{"language": "pt-BR", "best": best}]}
    show_layer(facts)
    shown = capsys.readouterr().out
    assert f"{ODD}, layer 3" in shown
    for text in ("pt-BR", "2022", "0.99", "100%", "a[/x]", "no memory's at 100% of 120"):
        assert text in shown


def test_a_layer_whose_values_were_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    best = [{"neuron": 2022, "ap": 0.987}]
    languages = [{"language": "de", "best": best}]
    facts = {**_layer(3), "model": "m", "languages": languages, "agreement": {}}
    facts["triggers"] |= {"own_mass": None, "others_mass": None}
    facts["composition"] |= {"agrees_with_no_memory": None, "agrees_with_largest": None}
    show_layer(facts)
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "unknown: the store was made with --no-values" in shown
    assert "- " not in shown.replace("--no-values", "")
    assert "promotes" not in shown
    assert "de 2022 0.99" in shown


def _neuron() -> dict[str, Any]:
    scores = {name: dict.fromkeys(TAGS, 0.5) for name in ("ap", "lape", "mean-difference")}
    return {
        "model": ODD,
        "layer": 1,
        "neuron": 2,
        "triggers": {"high": [], "low": []},
        "value": None,
        "mean": dict.fromkeys(TAGS, -12.345),
        "active": dict.fromkeys(TAGS, 0.5),
        "scores": scores,
    }


def test_a_neuron(capsys: pytest.CaptureFixture[str]) -> None:
    show_neuron(_neuron())
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert f"{ODD} 1.2: by language" in shown
    assert shown.count("-12.35") + shown.count("-12.34") == len(TAGS)
    assert all(f"│ {tag} " in shown for tag in TAGS)


def test_a_neuron_where_there_is_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    show_neuron(_neuron())
    assert "│ mean coefficient │" in capsys.readouterr().out


def test_the_next_token(capsys: pytest.CaptureFixture[str]) -> None:
    mass = dict.fromkeys([*TAGS, "pt-BR", "unknown"], 0.1)
    gains = [{"token": "[/x]"}]
    whole = {"languages": TAGS, "sentences": 44, "unedited": mass, "edited": mass}
    show_edits(
        {"target": {"whole": {**whole, "gains": gains, "loses": gains}, "added": [], "neurons": []}}
    )
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert "Gain most: [/x]. Lose most: [/x]." in " ".join(shown.split())
    assert "unknown" in shown
