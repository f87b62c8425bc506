"""Supervisors that are killed, and the processes under them, which must neither be lost nor go on for ever (I15)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.chaos import app as jobs
from tests.chaos.field import Field

from sqsjobs.job import Call

__all__ = ["fleets"]

JOBS = 60
PATIENCE = 20.0
"""Seconds in which children notice that their supervisor is gone, end their jobs and themselves."""


async def fleets(field: Field, size: int) -> dict[str, object]:
    """Kill a process under a supervisor, and then the supervisor, `size` times."""
    slowest = 0.0
    for _ in field.steps(size):
        fleet = await field.worker("--processes", "2", "--grace", "1")
        await field.send([_call(field) for _ in range(JOBS)])
        children = await _children_of(fleet.pid, at_least=2)
        victim = field.random.choice(children)
        await field.has_worked(victim, lambda: _call(field))
        await asyncio.sleep(field.random.uniform(0, 0.5))
        await _kill(field, victim)  # another one takes its place
        await asyncio.sleep(field.random.uniform(0, 2))
        survivors = await _children_of(fleet.pid, at_least=0)
        await fleet.kill()
        slowest = max(slowest, await _all_gone(field))
        for child in survivors:
            field.died(child, hard=False)
    await field.worker()
    seconds = await field.drained(within=60)
    await field.stop_all()
    return {
        "kills": 2 * field.done,
        "slowest end of orphans (s)": round(slowest, 1),
        "seconds to converge": round(seconds, 1),
    }


def _call(field: Field) -> Call[Any]:
    return jobs.work.call(next(field.numbers), field.random.uniform(0.1, 1))


async def _kill(field: Field, pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    field.died(pid, hard=True)


async def _children_of(pid: int, *, at_least: int) -> list[int]:
    """Return the child processes, waiting until there are so many."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    while len(children := [int(child) for child in listed.read_text().split()]) < at_least:
        await asyncio.sleep(0.05)
    return children


async def _all_gone(field: Field) -> float:
    """Return how long it takes until no process of the field runs.

    Raises:
        TimeoutError: if some are left (I15).
    """
    since = time.monotonic()
    while orphans := field.orphans():
        if time.monotonic() - since > PATIENCE:
            raise TimeoutError(f"I15: {len(orphans)} processes outlive their supervisor: {orphans}")
        await asyncio.sleep(0.1)
    return time.monotonic() - since
