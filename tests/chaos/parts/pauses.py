"""Workers that are suspended for longer than their lease, and go on as if nothing had happened (R12)."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.chaos import app as jobs
from tests.chaos.field import Field

from sqsjobs.job import Call

__all__ = ["pauses"]

JOBS = 30
LEASE = 2.0


async def pauses(field: Field, size: int) -> dict[str, object]:
    """Suspend workers `size` times, while another one works on."""
    workers = [await field.worker("--concurrency", "20") for _ in range(2)]
    for done in field.steps(size):
        await field.send([_call(field) for _ in range(JOBS)])
        victim = workers[done % 2]
        await field.has_worked(victim.pid, lambda: _call(field))
        await asyncio.sleep(field.random.uniform(0.1, 1))
        victim.suspend()
        await asyncio.sleep(LEASE * field.random.uniform(1.2, 1.8))
        victim.go_on()
    seconds = await field.drained(within=60)
    return {
        "pauses": field.done,
        "seconds to converge": round(seconds, 1),
        "exit codes at the end": await field.stop_all(),
    }


def _call(field: Field) -> Call[Any]:
    return jobs.work.call(next(field.numbers), field.random.uniform(0.2, 1.5))
