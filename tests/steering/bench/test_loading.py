from __future__ import annotations

import pytest

from steering.bench import loading


@pytest.mark.parametrize("edited", loading.EDITED)
def test_all_three_are_measured(edited: str) -> None:
    found = loading.measure("gemma-3-270m", edited, rounds=1)
    assert (found.model, found.edited) == ("gemma-3-270m", edited)
    # Not how fast: that they took place.
    assert min(found.load_ms, found.row_ms) > 0
