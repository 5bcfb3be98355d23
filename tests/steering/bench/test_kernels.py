"""torch.compile keeps the edit in the layer's graph, and fuses it."""

from __future__ import annotations

import json

import pytest

from steering.bench import edit
from steering.bench.kernels import EDITS, count


@pytest.mark.parametrize("activation", ["silu", "gelu"])
def test_an_edit_breaks_no_graph_and_adds_few_kernels(activation: str) -> None:
    found = {edit: count(activation, edit) for edit in EDITS}
    plain = found["none"]
    assert {each.graphs for each in found.values()} == {1}
    assert {each.calls for each in found.values()} == {plain.calls}
    added = {edit: each.fused - plain.fused for edit, each in found.items()}
    # The offset disappears in the norm after it; reading and writing columns are a kernel each.
    assert added["offset"] == 0
    assert added["neurons"] <= 2
    assert added["both"] <= 2
    # A key's two sums and what becomes of them, in the norm's function; the value in the next one.
    assert added["memory"] <= 3
    assert added["all"] <= 5
    launched = {edit: each.launched - plain.launched for edit, each in found.items()}
    assert plain.launched > 0
    assert {*launched.values()} == {0}


def test_the_edit_alone_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    edit.main(["--shapes", "gemma-3-270m", "--rounds", "1", "--json"])
    found = json.loads(capsys.readouterr().out)
    kinds = ("neurons", "offset", "memory")
    costs = [(cost["tokens"], cost["edit"]) for cost in found["costs"]]
    assert costs == [(tokens, kind) for tokens in (1, 32, 256) for kind in kinds]
    assert all(cost["plain_us"] > 0 and cost["ratio"] > 0 for cost in found["costs"])
    with pytest.raises(SystemExit):
        edit.main(["--shapes", "llama-9"])
    assert "choose from gemma-3-270m" in capsys.readouterr().err
