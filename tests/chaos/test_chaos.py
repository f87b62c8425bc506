"""The short form of the chaos: each part, as little of it as finds what is broken. `make chaos` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chaos.parts import PARTS
from tests.chaos.runner import run_part

pytestmark = pytest.mark.xdist_group("chaos")  # one part at a time: each has several processes and deadlines

SEED = 1
REPEATED = {
    "weather": "retry of a failure",
    "kills": "its worker was killed",
    "stops": "interrupted by a stop",
    "pauses": "its worker was suspended",
    "pills": "its worker was killed",
    "fleets": "its worker was killed",
}
"""What must have come to pass, or the part has tried nothing."""


@pytest.mark.parametrize("name", [name for name in PARTS if not name.endswith("-bare")])
async def test_nothing_is_lost_and_every_repetition_is_explained(name: str, tmp_path: Path) -> None:
    """R1, R2, R4, R5, R6, R8, R9, R10, R12: signals. R23, R25, R26, R28, R29, R34, R35, R59: faults.

    And I1, I2, I3, I4, I11, I12, I13, I15, I19, with real processes and over HTTP.
    """
    result = await run_part(name, PARTS[name].short, SEED, tmp_path / name)
    assert result.violations == [], f"see {result.folder}"
    assert result.checked is not None
    assert result.checked.repeated[REPEATED[name]] > 0
    assert result.checked.sent["accepted"] <= result.checked.completed + result.checked.dead_lettered.total()
    if name == "weather":
        assert len(result.injected) >= 40
