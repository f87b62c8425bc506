"""The line through the measurements."""

from __future__ import annotations

from math import inf
from random import Random

import pytest
from tests.chaos.trend import Slope, Verdict, _student, slope_of


@pytest.mark.parametrize(("freedom", "quantile"), [(3, 3.182), (5, 2.571), (10, 2.228), (18, 2.101), (100, 1.984)])
def test_the_quantiles_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert _student(freedom) == pytest.approx(quantile, rel=0.01)


def test_a_straight_line_is_found_exactly() -> None:
    slope = slope_of([(second, 5 + 0.25 * second) for second in range(200)])
    assert (slope.rate, slope.low, slope.high) == pytest.approx((0.25, 0.25, 0.25))


def test_the_true_slope_is_in_the_interval_nineteen_times_out_of_twenty() -> None:
    random = Random(3)
    within = 0
    for _ in range(400):
        slope = slope_of([(second, 0.1 * second + random.gauss(0, 10)) for second in range(100)])
        within += slope.low <= 0.1 <= slope.high
    assert 0.91 <= within / 400 <= 0.99


def test_little_says_nothing() -> None:
    assert slope_of([(0, 1), (1, 2)]) == Slope(0.0, -inf, inf)
    assert slope_of([(0, 1), (1, 2)]).judged(most=1) is Verdict.UNDECIDED


def test_a_leak_is_told_from_noise() -> None:
    random = Random(5)
    noise = [(float(second), 60 + random.gauss(0, 1)) for second in range(300)]
    leak = [(second, value + 0.05 * second) for second, value in noise]
    assert slope_of(noise).judged(most=0.01) is Verdict.FLAT
    assert slope_of(leak).judged(most=0.01) is Verdict.GROWING


def test_a_rush_now_and_then_is_no_leak_and_hides_none() -> None:
    random = Random(7)
    rushes = [(float(second), 2 + (random.randrange(100) if second % 7 == 0 else 0)) for second in range(300)]
    leak = [(second, value + 0.02 * second) for second, value in rushes]
    assert slope_of(rushes).judged(most=0.005) is Verdict.FLAT
    assert slope_of(leak).judged(most=0.005) is Verdict.GROWING
