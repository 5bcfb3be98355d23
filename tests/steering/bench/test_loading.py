from __future__ import annotations

import pytest

from steering.bench import loading


@pytest.mark.parametrize("share", loading.SHARES)
def test_all_three_are_measured(share: float) -> None:
    found = loading.measure("gemma-3-270m", share, rounds=1)
    assert (found.model, found.share) == ("gemma-3-270m", share)
    # Not how fast: that they took place.
    assert min(found.load_ms, found.row_ms) > 0
