"""The judge of the stops sees a worker that gives nothing back."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from tests.chaos import app as jobs
from tests.chaos import worker
from tests.chaos.field import open_field
from tests.chaos.parts.stops import LANES, LEASE, PROMISED, SLACK, Seen, stop_one

pytestmark = pytest.mark.xdist_group("chaos")


async def test_a_worker_that_keeps_what_it_has_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "APP", "tests.chaos.keeper:app")
    seen, queue = Seen(), LANES[0]
    async with open_field(tmp_path / "kept", Random(2), queues=LANES) as field:
        await field.send([jobs.work.using(queue=queue).call(next(field.numbers), 60) for _ in range(25)])
        await stop_one(field, queue, seen)
    assert [late.split(":")[0] for late in seen.late] == ["I12"]


def test_no_lease_ends_by_itself_while_a_stop_is_judged() -> None:
    assert max(PROMISED.values()) + SLACK < LEASE / 5
