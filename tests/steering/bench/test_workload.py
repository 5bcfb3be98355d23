"""Requests of a benchmark."""

from __future__ import annotations

import pytest

from steering.bench.times import Times
from steering.bench.workload import WORKLOADS, Ask, Workload


@pytest.mark.parametrize("name", WORKLOADS)
def test_lengths_and_tokens_are_within_their_bounds(name: str) -> None:
    workload = WORKLOADS[name]
    drawn = workload.draw(20, 1000, "0 1")
    assert len(drawn) == 20
    for ask in drawn:
        assert workload.prompt[0] <= len(ask.prompt) <= workload.prompt[1]
        assert workload.answer[0] <= ask.tokens <= workload.answer[1]
        assert len(ask.prompt) + ask.tokens <= workload.longest
        assert all(10 <= token < 1000 for token in ask.prompt)
        assert ask.extra_args is None


def test_a_seed_repeats_and_another_shares_no_prefix() -> None:
    workload = Workload(name="w", prompt=(16, 16), answer=(1, 1))
    assert workload.draw(3, 5000, "a") == workload.draw(3, 5000, "a")
    prompts = [tuple(ask.prompt[:4]) for seed in "abcd" for ask in workload.draw(5, 5000, seed)]
    assert len(set(prompts)) == 20


def test_steering_an_ask_leaves_the_rest() -> None:
    ask = Ask(prompt=[1, 2], tokens=3)
    assert ask.steered({"x": 1}) == Ask(prompt=[1, 2], tokens=3, extra_args={"x": 1})


def test_times_are_summed_up_by_medians() -> None:
    times = Times(
        seconds=2.0, tokens=300, edited=0, first=[0.1, 0.2, 0.9], between=[0.01, 0.03, 0.5]
    )
    assert (times.throughput, times.ttft, times.itl) == (150.0, 0.2, 0.03)
