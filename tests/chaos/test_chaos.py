"""The short form of the chaos: each part, as little of it as finds what is broken. `make chaos` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chaos.parts import PARTS
from tests.chaos.report import Result
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
    if _is_inconclusive(name, result):
        result = await run_part(name, PARTS[name].short, SEED + 1, tmp_path / f"{name}-again")
    assert result.violations == [], f"see {result.folder}"
    assert result.checked is not None
    assert result.checked.repeated[REPEATED[name]] > 0
    assert result.checked.sent["accepted"] <= result.checked.completed + result.checked.dead_lettered.total()
    if name == "weather":
        assert len(result.injected) >= 40


def _is_inconclusive(name: str, result: Result) -> bool:
    """Whether a busy machine kept the blows from hitting anything, or a repeated run from being laid to its cause.

    What is our fault comes again with other blows; nothing else than an unexplained repetition (I3) is excused even once.
    """
    if result.violations:
        return all(violation.startswith("I3: nothing explains") for violation in result.violations)
    return result.checked is not None and not result.checked.repeated[REPEATED[name]]
