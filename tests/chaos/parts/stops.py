"""Workers that are stopped at any moment of their life, and what is visible when they are gone (R4-R9, R40, I12)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.chaos import app as jobs
from tests.chaos.field import Field
from tests.chaos.worker import Worker

from sqsjobs.job import Call

__all__ = ["LANES", "Seen", "stop_one", "stops"]

LANES = ("stops-1", "stops-2")
"""Queues, on each of which one worker after the other is stopped."""
BACKLOG = 25
PROMISED = {0: 2.0, 4: 4.0}
"""Seconds from a worker's end until nothing is hidden, by its exit code: 4 says that a thread was left running."""
LEASE = 30
"""Seconds that a lease lasts, much longer than what is promised: what is not given back is still hidden then."""
SHORT_LEASE = 2
"""The same for workers that are hurried, whose open polls may take what nobody gives back; so the next one waits less."""
WAIT = 1
"""Seconds that a poll lasts, and so may the one that a hurried worker leaves open."""
SLACK = 0.3
"""Seconds that it may take us to hear of it, on a busy machine."""


async def stops(field: Field, size: int) -> dict[str, object]:
    """Stop `size` workers, divided among the lanes, each at any moment since it listens to SIGTERM.

    What one leaves that is asked twice is awaited, and not judged by I12: its open polls are left to themselves, and may
    even take what it has just given back. It must come back with its lease.
    """
    seen, steps = Seen(), field.steps(size)
    async with asyncio.TaskGroup() as group:
        for queue in LANES:
            group.create_task(_lane(field, queue, steps, seen))
    for queue in LANES:
        await field.worker("--queue", queue)
        await field.drained(within=120, queue=queue)
    await field.stop_all()
    if seen.late:
        raise AssertionError("; ".join(seen.late))
    return {
        "stops": dict(sorted(seen.codes.items())),
        "second signals": seen.second,
        "slowest release (s)": round(max(seen.releases, default=0.0), 2),
    }


class Seen:
    """What the lanes have seen."""

    def __init__(self) -> None:
        self.codes: Counter[str] = Counter()
        self.second = 0
        self.releases: list[float] = []
        self.late: list[str] = []


async def _lane(field: Field, queue: str, steps: Iterator[int], seen: Seen) -> None:
    for _ in steps:
        wanted = BACKLOG - await field.waiting(queue)
        if wanted > 0:
            await field.send([_call(field, queue) for _ in range(wanted)])
        await stop_one(field, queue, seen)


async def stop_one(field: Field, queue: str, seen: Seen) -> None:
    """Start a worker, stop it at any moment, and watch what it had in hand become visible."""
    hurried = field.random.random() < 0.15
    grace, lease = field.random.choice(["0", "0.2", "1"]), SHORT_LEASE if hurried else LEASE
    worker = await field.worker("--queue", queue, "--grace", grace, "--visibility", str(lease), "--wait", str(WAIT))
    await worker.listens(within=60)
    if field.random.random() < 0.8:
        await field.has_worked(worker.pid, lambda: _call(field, queue))
    await asyncio.sleep(field.random.uniform(0, 1.5))
    worker.stop()
    if hurried:
        await _again(field, worker, seen)
    code = await worker.ended(within=30)
    promised = SHORT_LEASE + WAIT if hurried else PROMISED.get(code, 0.0)
    seconds = await _hidden(field, queue, promised)
    if seconds > promised + SLACK:
        seen.late.append(f"I12: messages are hidden {seconds:.1f} s after {worker.pid} ended with {code}")
    elif not hurried:
        seen.releases.append(seconds)
    seen.codes[f"exit {code}"] += 1


async def _hidden(field: Field, queue: str, promised: float) -> float:
    """Return for how many seconds from now something stays hidden, or a little more than `promised` if it is longer."""
    since = time.monotonic()
    while (await field.counts(queue)).in_flight and time.monotonic() - since <= promised + SLACK:
        await asyncio.sleep(0.02)
    return time.monotonic() - since


async def _again(field: Field, worker: Worker, seen: Seen) -> None:
    """Ask a second time, if it is still there."""
    await asyncio.sleep(field.random.uniform(0, 0.5))
    if worker.process.returncode is None:
        worker.stop()
        seen.second += 1


def _call(field: Field, queue: str) -> Call[Any]:
    number = next(field.numbers)
    match field.random.random():
        case chance if chance < 0.1:
            return jobs.in_thread.using(queue=queue).call(number, field.random.uniform(0, 2))
        case chance if chance < 0.15:
            return jobs.work.using(queue=queue).call(number, 0.1, failures=1)
        case _:
            return jobs.work.using(queue=queue).call(number, field.random.expovariate(2))
