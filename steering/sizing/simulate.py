"""A server's queue, step by step: what clients wait for at a rate of requests."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Load:
    """What arrives, and how much of it runs at once.

    Attributes:
        rate: requests a second, at random (a Poisson process).
        prompt, answer: tokens of each.
        requests: how many come.
        sequences: that run at once, at most (vLLM's --max-num-seqs).
        budget: tokens of a step, at most (--max-num-batched-tokens).
        seed: of the arrivals.
    """

    rate: float
    prompt: int
    answer: int
    requests: int = 400
    sequences: int = 256
    budget: int = 8192
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Served:
    """What came of it.

    Attributes:
        answer_tokens_per_second: of answers, from the first arrival to the last answer's end.
        first_seconds: to the first token, (median, 95th percentile), waiting included.
        between_seconds: between two tokens of an answer, likewise.
        most_running: sequences at once.
    """

    answer_tokens_per_second: float
    first_seconds: tuple[float, float]
    between_seconds: tuple[float, float]
    most_running: int


@dataclass
class _Running:
    arrived: float
    prompt_left: int
    answer_left: int


def simulate(seconds: Callable[[int, int], float], load: Load) -> Served:
    """Run the queue as vLLM's scheduler does: answers under way first, then prompts, in chunks.

    There is always room in the cache here, so nothing is preempted; no prompt is cached.

    Args:
        seconds: of a step, by (sequences that get a token, tokens of prompts).
        load: see `Load`.
    """
    rng = random.Random(load.seed)
    arrivals: deque[float] = deque()
    now = 0.0
    for _ in range(load.requests):
        now += rng.expovariate(load.rate)
        arrivals.append(now)
    now = began = arrivals[0]
    running: list[_Running] = []
    first: list[float] = []
    between: list[tuple[float, int]] = []
    most = 0
    while arrivals or running:
        while arrivals and arrivals[0] <= now and len(running) < load.sequences:
            running.append(_Running(arrivals.popleft(), load.prompt, load.answer))
        if not running:
            now = arrivals[0]
            continue
        most = max(most, len(running))
        decoding = [each for each in running if not each.prompt_left]
        left = max(0, load.budget - len(decoding))
        chunks: list[tuple[_Running, int]] = []
        for each in running:
            if each.prompt_left and left:
                chunk = min(left, each.prompt_left)
                left -= chunk
                chunks.append((each, chunk))
        took = seconds(len(decoding), sum(chunk for _, chunk in chunks))
        now += took
        if decoding:
            between.append((took, len(decoding)))
        for each in decoding:
            each.answer_left -= 1
        for each, chunk in chunks:
            each.prompt_left -= chunk
            if not each.prompt_left:
                first.append(now - each.arrived)
                each.answer_left -= 1
        running = [each for each in running if each.prompt_left or each.answer_left > 0]
    durations = np.repeat([t for t, _ in between], [n for _, n in between])
    return Served(
        answer_tokens_per_second=load.requests * load.answer / (now - began),
        first_seconds=_middle_and_tail(np.array(first)),
        between_seconds=_middle_and_tail(durations),
        most_running=most,
    )


def _middle_and_tail(values: np.ndarray) -> tuple[float, float]:
    if not values.size:
        return 0.0, 0.0
    middle, tail = np.percentile(values, (50, 95))
    return float(middle), float(tail)
