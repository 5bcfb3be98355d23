from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from profiles.inside.layers.edited import edits_by_layer
from profiles.profile import Profile

NORMS = np.array([1.0, 2.0])


def test_by_hand(german: Profile) -> None:
    """Neurons: one a layer. Memories' values: norm 13 in layer 1, 1 in layer 0."""
    # What the FFN of layer 1 puts out is twice as long.
    other = replace(german, language="en", suppress=None)
    found = {
        (row["role"], row["kind"]): row
        for row in edits_by_layer([german, other], NORMS, [0.2, 0.8])
    }
    assert {*found} == {
        ("target", "neurons"),
        ("target", "offset"),
        ("target", "memory"),
        ("suppress", "offset"),
        ("suppress", "memory"),
    }
    memory = found["target", "memory"]
    assert memory["languages"] == ["de", "en"]
    assert memory["share"] == pytest.approx([1 / 7.5, 6.5 / 7.5], abs=1e-4)
    assert memory["correlation"] == pytest.approx(1)
    assert found["suppress", "memory"]["languages"] == ["de"]
    # Alike in all layers: no rank to correlate.
    assert found["target", "neurons"]["share"] == [0.5, 0.5]
    assert found["target", "neurons"]["correlation"] == 0
    assert found["target", "offset"]["share"] == [0, 1]
