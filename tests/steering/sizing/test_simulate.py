"""The simulated queue, against what can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from steering.sizing.simulate import Load, simulate

ALONE = Load(rate=1e-6, prompt=10, answer=5, requests=20)


def steps(decoding: int, prefilled: int) -> float:
    return 0.1 + 0.01 * decoding + 0.001 * prefilled


def test_a_request_alone_waits_for_nothing() -> None:
    served = simulate(steps, ALONE)
    assert served.first_seconds == pytest.approx((0.11, 0.11))
    assert served.between_seconds == pytest.approx((0.11, 0.11))
    assert served.most_running == 1


def test_a_prompt_comes_in_chunks_of_the_budget() -> None:
    served = simulate(steps, replace(ALONE, prompt=25, budget=10))
    assert served.first_seconds[0] == pytest.approx(0.11 + 0.11 + 0.105)


def test_all_at_once_share_steps_and_no_token_is_lost() -> None:
    seen: list[tuple[int, int]] = []

    def noted(decoding: int, prefilled: int) -> float:
        seen.append((decoding, prefilled))
        return 1.0

    load = Load(rate=1e9, prompt=8, answer=4, requests=6, sequences=3, budget=64)
    served = simulate(noted, load)
    # A first token comes of the prompt, the other three one a step each.
    assert sum(decoding for decoding, _ in seen) == 6 * 3
    assert sum(prefilled for _, prefilled in seen) == 6 * 8
    assert max(decoding for decoding, _ in seen) == served.most_running == 3
    assert served.answer_tokens_per_second == pytest.approx(6 * 4 / len(seen), rel=1e-3)


def test_answers_of_one_token_have_nothing_between() -> None:
    served = simulate(steps, replace(ALONE, answer=1))
    assert served.between_seconds == (0.0, 0.0)


def test_more_than_a_server_takes_makes_clients_wait() -> None:
    # Eight at once: 40 tokens in 0.18 s each five steps, so some 8 requests a second.
    usual = replace(ALONE, requests=300, sequences=8)
    calm, full = (simulate(steps, replace(usual, rate=rate)) for rate in (1.0, 50.0))
    assert calm.first_seconds[1] < 0.5
    assert full.first_seconds[1] > 10
    assert full.answer_tokens_per_second > calm.answer_tokens_per_second
    assert simulate(steps, usual) == simulate(steps, usual)
    assert simulate(steps, usual) != simulate(steps, replace(usual, seed=1))
