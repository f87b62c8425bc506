"""A process that claims and completes jobs which others claim too: `python contender.py FILE NAME FIRST JOBS`.

It prints "ready", waits for a line on its input, works through the jobs `FIRST`, `FIRST + 1`, … round to
where it began, and prints what it completed as JSON. With NAME "victim" it prints every completion at once,
as soon as the store has granted it, and never ends by itself.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time

from sqsjobs.job import JobId, JobStatus
from sqsjobs.store.base import Claimed, ClaimRequest, JobStore, RecordChange
from sqsjobs.store.sqlite import SqliteStore


def job(number: int) -> JobId:
    return JobId(f"job-{number:016d}")


async def complete(store: JobStore, name: str, number: int) -> bool:
    """Claim job `number` and complete it, each step twice; say whether it was this process that did."""
    now = time.time()
    request = ClaimRequest(job(number), "resize", "images", now, name, now, now + 60)
    claim = await store.claim(request)
    if not isinstance(claim, Claimed):
        return False
    assert await store.claim(request) == claim
    done = RecordChange(JobStatus.SUCCEEDED, time.time(), result=f'"{name}"'.encode())
    assert not await store.change(request.job_id, claim.epoch - 1, done)
    assert await store.change(request.job_id, claim.epoch, done)
    assert await store.change(request.job_id, claim.epoch, done)
    return True


async def contend(file: str, name: str, first: int, jobs: int) -> None:
    async with SqliteStore(file, wait=30) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        numbers = [(first + step) % jobs for step in range(jobs)]
        completed: list[int] = []
        for start in range(0, jobs, 20):
            some = numbers[start : start + 20]
            answers = await asyncio.gather(*(complete(store, name, number) for number in some))
            completed += itertools.compress(some, answers)
    print(json.dumps(completed), flush=True)


async def work_until_killed(file: str) -> None:
    async with SqliteStore(file) as store:
        for number in itertools.count():
            await complete(store, "victim", number)
            print(number, flush=True)


if __name__ == "__main__":
    _, file, name, first, jobs = sys.argv
    asyncio.run(work_until_killed(file) if name == "victim" else contend(file, name, int(first), int(jobs)))
