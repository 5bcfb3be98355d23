"""The running top-k against a sort of everything."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.inside.memories.running_top import NOWHERE, RunningTop


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    batches=st.integers(1, 6),
    streams=st.integers(1, 5),
    count=st.integers(1, 6),
    levels=st.sampled_from([1, 3, 10**6]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_equals_a_stable_sort_of_all_that_passed(
    seed: int, batches: int, streams: int, count: int, levels: int, dtype: torch.dtype
) -> None:
    rng = np.random.default_rng(seed)
    top = RunningTop(streams, count, torch.device("cpu"))
    passed = []
    at = 0
    for _ in range(batches):
        length = int(rng.integers(1, 60))
        # Few levels: heavy ties, and zeros as ReLU makes them.
        values = torch.from_numpy(rng.integers(-levels, levels + 1, (length, streams)) / levels)
        values = values.to(dtype)
        top.update(values, torch.arange(at, at + length))
        passed.append(values.float().numpy())
        at += length
    whole = np.concatenate(passed)
    for stream in range(streams):
        order = np.argsort(-whole[:, stream], kind="stable")
        order = order[whole[order, stream] > 0][:count]
        missing = count - len(order)
        expected = [*whole[order, stream], *[0.0] * missing]
        np.testing.assert_array_equal(top.values[stream], expected)
        assert top.at[stream].tolist() == [*order.tolist(), *[NOWHERE] * missing]


def test_by_hand() -> None:
    top = RunningTop(2, 2, torch.device("cpu"))
    top.update(torch.tensor([[1.0, -1.0], [3.0, 0.0]]), torch.tensor([7, 8]))
    top.update(torch.tensor([[2.0, 5.0], [3.0, 0.0]]), torch.tensor([9, 10]))
    assert top.values.tolist() == [[3.0, 3.0], [5.0, 0.0]]
    assert top.at.tolist() == [[8, 10], [9, NOWHERE]]
