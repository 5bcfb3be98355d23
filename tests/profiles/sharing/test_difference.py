from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from profiles.profile import Edit, NeuronEdit, Profile
from profiles.sharing.difference import difference


def neurons(*rows: tuple[int, int, float, float]) -> Edit:
    layer, neuron, add, scale = zip(*rows, strict=True)
    return Edit(
        neurons=NeuronEdit(
            layer=np.array(layer, np.int32),
            neuron=np.array(neuron, np.int32),
            add=np.array(add, np.float32),
            scale=np.array(scale, np.float32),
        )
    )


def test_a_profile_and_itself(german: Profile) -> None:
    found = difference(german, german)
    assert found["same"]
    assert found["metadata"] == found["model"] == {}
    assert found["edits"]["target"]["neurons"]["same"] == 2
    assert found["edits"]["target"]["memories"]["changed"] == 0
    json.dumps(found, allow_nan=False)


def test_neurons_by_layer(german: Profile) -> None:
    one = replace(german, target=neurons((0, 1, 1, 0), (0, 2, 1, 0), (1, 3, 2, -1)), suppress=None)
    other = replace(
        german, target=neurons((0, 1, 1, 0), (0, 2, 4, 0), (1, 4, 0, -4)), suppress=None
    )
    found = difference(one, other)["edits"]["target"]["neurons"]
    assert (found["added"], found["removed"], found["changed"], found["same"]) == (1, 1, 1, 1)
    assert found["by_layer"] == [
        {"layer": 0, "added": 0, "removed": 0, "changed": 1, "same": 1},
        {"layer": 1, "added": 1, "removed": 1, "changed": 0, "same": 0},
    ]
    # 3 for the changed one, (2, -1) for the one that went, (0, -4) for the one that came
    assert found["difference_norm"] == pytest.approx((9 + 5 + 16) ** 0.5, abs=1e-6)


def test_vectors_by_layer(german: Profile, stronger: Profile) -> None:
    found = difference(german, stronger)
    row = found["edits"]["target"]["offsets"]["by_layer"][0]
    norm = float(np.linalg.norm([0, 1, 2, 3]))
    assert row["norms"] == [pytest.approx(norm), pytest.approx(2 * norm)]
    assert row["difference_norm"] == pytest.approx(norm)
    assert row["cosine"] == pytest.approx(1)
    assert found["edits"]["suppress"]["memories"]["changed"] == 0
    gone = difference(german, replace(german, suppress=None))["edits"]["suppress"]["memories"]
    assert (gone["added"], gone["removed"]) == (0, 2)


def test_a_memory_whose_key_alone_changed(german: Profile) -> None:
    assert german.target
    assert german.target.memories
    key = german.target.memories.key + np.float32(1)
    target = replace(german.target, memories=replace(german.target.memories, key=key))
    found = difference(german, replace(german, target=target))["edits"]["target"]["memories"]
    assert found["changed"] == 2
    assert found["by_layer"][0]["difference_norm"] == 0


def test_metadata_and_figures(german: Profile) -> None:
    other = replace(
        german,
        model=replace(german.model, weights="c" * 64),
        provenance={**german.provenance, "method": "scored", "learning": {}},
    )
    found = difference(german, other)
    assert found["model"] == {"weights": ["b" * 64, "c" * 64]}
    assert found["metadata"] == {"method": ["learned", "scored"]}
    assert found["figures"]["target"]["success"] == [0.95, None]
    assert not found["same"]


def test_models_of_different_sizes(german: Profile) -> None:
    from profiles.profile import OffsetEdit

    large = replace(
        german,
        model=replace(german.model, hidden_size=6),
        target=Edit(
            offsets=OffsetEdit(layer=np.array([1], np.int32), value=np.ones((1, 6), np.float32))
        ),
        suppress=None,
    )
    row = difference(german, large)["edits"]["target"]["offsets"]["by_layer"][0]
    assert "difference_norm" not in row
