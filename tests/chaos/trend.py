"""Whether what was measured again and again grows: a straight line through it, and how sure one can be of its slope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf, sqrt
from statistics import NormalDist, fmean

__all__ = ["Slope", "Verdict", "slope_of"]

BLOCKS = 20
"""Neighbouring samples resemble each other, so that their number says little; the least values of so many blocks are taken as
independent. The least, for what grows raises the floor, and a moment's rush the peaks alone."""


class Verdict(StrEnum):
    """What a slope says of a limit."""

    FLAT = "flat"
    GROWING = "growing"
    UNDECIDED = "undecided"
    """The run was too short, or too restless, to tell."""


@dataclass(frozen=True, slots=True)
class Slope:
    """The slope of a regression line, in units a second, and the ends of its 95 % confidence interval."""

    rate: float
    low: float
    high: float

    def judged(self, most: float) -> Verdict:
        """Judge it by the rate that is still called flat."""
        if self.low > most:
            return Verdict.GROWING
        return Verdict.FLAT if self.high <= most else Verdict.UNDECIDED


def slope_of(samples: Sequence[tuple[float, float]], blocks: int = BLOCKS) -> Slope:
    """Fit a line to samples of (second, value) by least squares; with fewer than three, nothing is known."""
    points = _floors(samples, blocks)
    count = len(points)
    if count < 3:
        return Slope(0.0, -inf, inf)
    middle_x, middle_y = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    rate = sum((x - middle_x) * (y - middle_y) for x, y in points) / spread
    residual = sum((y - middle_y - rate * (x - middle_x)) ** 2 for x, y in points)
    error = sqrt(residual / (count - 2) / spread) * _student(count - 2)
    return Slope(rate, rate - error, rate + error)


def _floors(samples: Sequence[tuple[float, float]], blocks: int) -> list[tuple[float, float]]:
    size = max(1, len(samples) // blocks)
    whole = [samples[start : start + size] for start in range(0, len(samples) - size + 1, size)]
    return [(fmean(x for x, _ in block), min(y for _, y in block)) for block in whole]


def _student(freedom: int, confidence: float = 0.95) -> float:
    """Return the quantile of Student's distribution (Cornish-Fisher: right to 1 % from 3 degrees of freedom on)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
