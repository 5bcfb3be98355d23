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
    # A product of all tokens with all values, and one with all keys.
    products = {edit: each.calls - plain.calls for edit, each in found.items()}
    assert products == {"none": 0, "neurons": 0, "offsets": 1, "memories": 2, "both": 2}
    added = {edit: each.fused - plain.fused for edit, each in found.items()}
    # What a row has on, in one; the sum disappears in the norm after it. Reading and writing
    # columns are a kernel each.
    assert max(added["offsets"], added["memories"]) <= 1
    assert added["neurons"] <= 2
    assert added["both"] <= 3
    launched = {edit: each.launched - plain.launched for edit, each in found.items()}
    assert plain.launched > 0
    assert launched["neurons"] == 0
    assert max(launched.values()) <= 1


def test_the_edit_alone_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    edit.main(["--shapes", "gemma-3-270m", "--rounds", "1", "--json"])
    found = json.loads(capsys.readouterr().out)
    kinds = ("neurons", "offsets", "memories")
    costs = [(cost["tokens"], cost["edit"]) for cost in found["costs"]]
    assert costs == [(tokens, kind) for tokens in (1, 32, 256) for kind in kinds]
    assert all(cost["plain_us"] > 0 and cost["ratio"] > 0 for cost in found["costs"])
    with pytest.raises(SystemExit):
        edit.main(["--shapes", "llama-9"])
    assert "choose from gemma-3-270m" in capsys.readouterr().err
