"""Choosing a strength."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from profiles.learning.frontier import Frontier, Point, choose, choose_budget, frontier_of, utility


def points(success: Sequence[float], perplexity: Sequence[float]) -> list[Point]:
    return [
        Point(
            strength=0.5 * (n + 1),
            phase="all",
            success=s,
            by_context={},
            repetition=0.0,
            bits_per_byte=None,
            perplexity=p,
            samples=20,
        )
        for n, (s, p) in enumerate(zip(success, perplexity, strict=True))
    ]


def test_where_success_no_longer_pays_for_fluency() -> None:
    found = points([0.2, 0.9, 1.0, 1.0, 1.0], [1.0, 1.0, 1.02, 1.3, 2.0])
    assert choose(found)[0] == 2


def test_the_weaker_of_equals() -> None:
    assert choose(points([1.0, 1.0, 1.0], [0.9, 0.9, 0.9]))[0] == 0


def test_a_single_lucky_strength_does_not_win() -> None:
    assert choose(points([1.0, 0.5, 0.9, 1.0, 1.0], [1.0] * 5))[0] != 0


def test_the_recommended_strength_becomes_one() -> None:
    frontier = frontier_of(points([0.2, 0.8, 1.0, 1.0], [1.0, 1.0, 1.0, 1.3]), [])
    assert [p.strength for p in frontier.points] == pytest.approx(
        [1 / 3, 2 / 3, 1, 4 / 3], abs=1e-4
    )
    assert frontier.points[frontier.recommended].strength == 1
    assert frontier.rescaled == 1.5


def test_the_phase_that_is_more_useful() -> None:
    whole = points([0.5, 0.6, 0.6], [1.0, 1.0, 1.0])
    for success, phase in ((0.3, "all"), (0.6, "all"), (1.0, "decode")):
        late = [replace(points([success], [1.0])[0], phase="decode")]
        found = frontier_of(whole, late)
        assert found.phase == phase
        assert found.points[-1].phase == "decode"


def test_the_smallest_budget_that_is_as_good() -> None:
    def worth(utility: float) -> Frontier:
        return replace(frontier_of(points([1.0], [1.0]), []), utility=utility)

    assert choose_budget([worth(0.9), worth(0.99), worth(1.0)]) == 1
    assert choose_budget([worth(1.0), worth(0.9)]) == 0


def test_utility_by_hand() -> None:
    assert utility(0.9, 1.1) == pytest.approx(0.9 - 0.0953102, abs=1e-6)
    assert utility(0.9, 1.0) == 0.9
