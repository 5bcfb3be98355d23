from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")

from profiles.judging.plots import draw


def mean(method: str, condition: str, hits: float, ratio: float | None) -> dict[str, Any]:
    share = {"value": hits, "low": max(0.0, hits - 0.1), "high": min(1.0, hits + 0.1), "count": 9}
    return {
        "role": "target",
        "condition": condition,
        "method": method,
        "strength": 1.0 if method == "steered" else None,
        "success": share,
        "bits_ratio_own": ratio,
    }


def damage(role: str, *values: float) -> dict[str, Any]:
    ratios = {tag: {"value": v} for tag, v in zip(("de", "en", "ru"), values, strict=True)}
    key = {"role": role, "method": "steered", "strength": 1.0, "language": "de"}
    return {**key, "ratios": ratios}


def test_draws_what_there_is(tmp_path: Path) -> None:
    result = {
        "averages": [
            mean("unsteered", "bos", 0.0, 0.9),
            mean("steered", "bos", 1.0, 1.1),
            mean("steered", "mid", 0.5, None),
        ],
        "damage": [damage("target", 0.9, 2.0, 3e6), damage("suppress", 4.0, 1.0, 1.0)],
    }
    files = draw(result, tmp_path)
    assert [f.name for f in files] == [
        f"{name}.{suffix}"
        for name in ("success", "fluency", "damage-target", "damage-suppress")
        for suffix in ("png", "svg")
    ]
    for file in files:
        assert file.read_bytes()[:4] == (b"\x89PNG" if file.suffix == ".png" else b"<?xm")


def test_nothing_to_draw(tmp_path: Path) -> None:
    assert draw({"averages": [], "damage": []}, tmp_path) == []
