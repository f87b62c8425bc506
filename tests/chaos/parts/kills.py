"""Workers that are killed, one after the other, for as long as there is work (R1, R2, R3)."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.chaos import app as jobs
from tests.chaos.field import Field

from sqsjobs.job import Call

__all__ = ["kills"]

WORKERS = 3
JOBS_A_KILL = 67
"""So that each kill meets a backlog."""
LONGEST_WAIT = 0.8


async def kills(field: Field, size: int) -> dict[str, object]:
    """Kill `size` workers, each when it has worked for a moment, and start another in its place."""
    working = [await field.worker() for _ in range(WORKERS)]
    for _ in field.steps(size):
        await field.send([_call(field) for _ in range(JOBS_A_KILL)])
        victim = working.pop(0)
        await field.has_worked(victim.pid, lambda: _call(field))
        await asyncio.sleep(field.random.uniform(0, LONGEST_WAIT))
        await victim.kill()
        working.append(await field.worker())
    seconds = await field.drained(within=120)
    codes = await field.stop_all()
    return {"kills": field.done, "seconds to converge": round(seconds, 1), "exit codes at the end": codes}


def _call(field: Field) -> Call[Any]:
    number, seconds = next(field.numbers), field.random.uniform(0.01, 0.25)
    match field.random.random():
        case chance if chance < 0.1:
            return jobs.in_thread.call(number, seconds)
        case chance if chance < 0.15:
            return jobs.work.call(number, seconds, failures=1)
        case _:
            return jobs.work.call(number, seconds)
