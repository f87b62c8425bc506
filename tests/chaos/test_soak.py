"""The short form of the soak: too short for a verdict on slow leaks, long enough to see that all is measured and nothing lost."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

import pytest
from tests.chaos.soak import LIMITS, soak

pytestmark = pytest.mark.xdist_group("chaos")


async def test_a_worker_under_load_and_faults_is_measured_and_loses_nothing(tmp_path: Path) -> None:
    """R66, I14: everything that could grow is counted all the time; ten seconds tell a flood of memory, and no slow leak."""
    soaked = await soak(10, 1, tmp_path / "soak", rate=50)
    assert soaked.violations == []
    assert soaked.checked.sent["accepted"] >= 300
    assert set(soaked.slopes) == set(LIMITS)
    assert all(isfinite(slope.low) for slope in soaked.slopes.values())
    assert soaked.medians["tasks"] >= 1
    assert soaked.medians["descriptors"] > 10
    assert soaked.slopes["rss"].low < 60 * LIMITS["rss"] * 60, "megabytes a second are no warming up"
