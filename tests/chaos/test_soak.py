"""The short form of the soak: too short for a verdict on memory, long enough to see that things are given back."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chaos.soak import LIMITS, soak
from tests.chaos.trend import Verdict

pytestmark = pytest.mark.xdist_group("chaos")


async def test_a_worker_under_load_and_faults_does_not_grow(tmp_path: Path) -> None:
    """R66, I14: what grows for certain, even in so short a time, is a leak; nothing is lost meanwhile."""
    soaked = await soak(10, 1, tmp_path / "soak", rate=50)
    assert soaked.violations == []
    assert soaked.checked.sent["accepted"] >= 400
    assert soaked.medians["tasks"] > 3
    assert soaked.medians["descriptors"] > 10
    assert [name for name in ("descriptors", "threads") if soaked.verdict(name) is Verdict.GROWING] == []
    assert soaked.slopes["rss"].low < 60 * LIMITS["rss"] * 60, "more than a MiB a second is no warming up"
