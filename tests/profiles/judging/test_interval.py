from __future__ import annotations

import pytest

from profiles.judging.interval import mean, ratio, wilson


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [
        # Newcombe 1998, table I: Wilson's method for 81/263, 15/148, 0/20 and 1/29.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(hits: int, count: int, low: float, high: float) -> None:
    found = wilson(hits, count)
    assert found is not None
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)
    assert found.value == hits / count


def test_wilson_at_the_ends_holds_the_value() -> None:
    sure = wilson(50, 50)
    assert sure is not None
    assert sure.high == sure.value == 1.0
    assert 0.92 < sure.low < 0.94
    assert wilson(0, 0) is None


def test_ratio_weighs_by_size_not_by_text() -> None:
    found = ratio([10.0, 90.0], [10.0, 30.0])
    assert found is not None
    assert found.value == 2.5  # not the mean of 1 and 3
    assert found.low == 1.0
    assert found.high == 3.0
    assert found.count == 2


def test_ratio_of_nothing() -> None:
    assert ratio([], []) is None
    assert ratio([1.0], [0.0]) is None


def test_mean_interval_narrows_with_more_values() -> None:
    few, many = mean([0.0, 1.0] * 5), mean([0.0, 1.0] * 500)
    assert few is not None
    assert many is not None
    assert few.value == many.value == 0.5
    assert many.high - many.low < (few.high - few.low) / 5
    # The standard error of 1,000 coin flips is 1.6 points.
    assert many.high - many.low == pytest.approx(2 * 1.96 * 0.0158, rel=0.15)


def test_same_seed_same_interval() -> None:
    values = [n * n % 17 / 17 for n in range(40)]
    assert mean(values) == mean(values)
    assert mean(values) != mean(values, seed=1)
