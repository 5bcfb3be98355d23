"""Choosing a strength."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from profiles.learning.frontier import Point, choose, rescaled, utility


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
    assert choose(found, "target") == 2


def test_the_weaker_of_equals() -> None:
    assert choose(points([1.0, 1.0, 1.0], [0.9, 0.9, 0.9]), "target") == 0


def test_fluency_that_was_won_and_lost_again_counts() -> None:
    # All are better than the unedited model's 1, and the second is better still.
    assert choose(points([0.5, 1.0, 1.0, 1.0, 1.0], [0.8, 0.5, 0.6, 0.75, 0.95]), "target") < 3


def test_a_single_lucky_strength_does_not_win() -> None:
    assert choose(points([1.0, 0.5, 0.9, 1.0, 1.0], [1.0] * 5), "target") != 0


def test_suppressing_weighs_what_it_costs_the_others_more() -> None:
    found = points([0.85, 0.92, 1.0], [1.0, 1.07, 1.13])
    assert choose(found, "target") > choose(found, "suppress") == 0


def test_the_recommended_strength_becomes_one() -> None:
    frontier = rescaled(points([0.2, 0.9, 1.0, 1.0], [1.0] * 4), 2)
    assert [p.strength for p in frontier.points] == pytest.approx(
        [1 / 3, 2 / 3, 1, 4 / 3], abs=1e-4
    )
    assert frontier.points[frontier.recommended].strength == 1
    assert frontier.rescaled == 1.5


def test_utility_by_hand() -> None:
    assert utility(0.9, 1.1, "target") == pytest.approx(0.9 - 0.4 * 0.0953102, abs=1e-6)
    assert utility(0.9, 1.1, "suppress") == pytest.approx(0.9 - 0.0953102, abs=1e-6)
    assert utility(0.9, 1.0, "suppress") == 0.9
