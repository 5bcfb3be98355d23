"""The largest entries of long rows, against a sort."""

from __future__ import annotations

import pytest
import torch

from profiles.inside.memories.wide_topk import wide_topk


@pytest.mark.parametrize("width", [7, 512, 5000, 20 * 512, 20 * 512 + 3])
@pytest.mark.parametrize("count", [1, 5])
def test_equals_a_sort(width: int, count: int) -> None:
    values = torch.randn(6, width, generator=torch.Generator().manual_seed(width))
    expected = values.sort(dim=1, descending=True).indices[:, :count]
    torch.testing.assert_close(wide_topk(values, count), expected)


def test_the_best_may_share_a_block_or_stand_at_the_very_end() -> None:
    values = torch.zeros(2, 30 * 512 + 2)
    values[0, 1000:1005] = torch.arange(1.0, 6.0)
    values[1, -1], values[1, 0], values[1, 512 * 29] = 3.0, 2.0, 1.0
    assert wide_topk(values, 3).tolist() == [[1004, 1003, 1002], [30 * 512 + 1, 0, 512 * 29]]


def test_equal_values_are_all_there() -> None:
    values = torch.zeros(1, 40 * 512)
    values[0, ::600] = 1.0
    chosen = wide_topk(values, 9)
    assert (values.gather(1, chosen) == 1).all()
    assert len({*chosen[0].tolist()}) == 9
