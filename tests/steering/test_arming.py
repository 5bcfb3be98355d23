"""Which layers a rank must be able to edit."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from steering.engine import arming
from steering.errors import EngineError

distributed = pytest.importorskip("vllm.distributed", reason="vLLM is not installed")


def on(monkeypatch: pytest.MonkeyPatch, rank: int, size: int) -> None:
    group = SimpleNamespace(rank_in_group=rank, world_size=size)
    monkeypatch.setattr(distributed, "get_pp_group", lambda: group)


def test_one_rank_needs_every_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, 0, 1)
    arming._check_layers([0, 1, 2, 3], 4)
    for found in ([0, 1, 2], [0, 2, 3], [0, 1, 2, 3, 4]):
        with pytest.raises(EngineError, match="the profiles need them in 0-3"):
            arming._check_layers(found, 4)


def test_pipeline_ranks_need_their_own_by_global_index(monkeypatch: pytest.MonkeyPatch) -> None:
    for rank, layers in enumerate(([0, 1], [2, 3])):
        on(monkeypatch, rank, 2)
        arming._check_layers(layers, 4)
        with pytest.raises(EngineError, match=f"need them in {layers[0]}-{layers[1]}"):
            arming._check_layers([0, 1, 2, 3], 4)


def test_layers_are_named_by_ranges() -> None:
    assert arming._ranges([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert arming._ranges([]) == "none"
