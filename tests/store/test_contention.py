"""Eight writers contend for the same jobs, and no job is completed twice.

The short form has 100 jobs; ``SQSJOBS_STORE_TRIES=10000`` has as many as that says. Each writer tries each job, so that
10,000 are some 130,000 requests where nothing is batched: DynamoDB's stand-in, which answers one request at a time, took
18 minutes for them on two cores that had other work, too; how many records it holds makes no difference.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.store.contender import complete, job

from sqsjobs.job import JobStatus
from sqsjobs.store.base import JobStore

TRIES = int(os.environ.get("SQSJOBS_STORE_TRIES", "100"))
WRITERS = 8


@pytest.mark.timeout(120 + TRIES // 2)  # a bound for a machine that has other work, too
async def test_eight_writers_complete_every_job_once(store, clock):
    """I2: each with a store and an event loop of its own, every claim and completion made twice, and a stale one refused."""
    clock.time = time.time()  # as the writers'
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(WRITERS) as threads:
        working = [loop.run_in_executor(threads, asyncio.run, work(store.clone(), n)) for n in range(WRITERS)]
        completed = list(itertools.chain.from_iterable(await asyncio.gather(*working)))
    assert Counter(completed) == Counter(range(TRIES))
    for start in range(0, TRIES, 100):
        jobs = [job(number) for number in range(start, min(start + 100, TRIES))]
        records = await store.records(jobs)
        assert {record.status for record in records.values()} == {JobStatus.SUCCEEDED}
        assert {(record.attempts, record.epoch) for record in records.values()} == {(1, 1)}


async def work(store: JobStore, writer: int) -> list[int]:
    """Contend for all jobs, twenty at a time, and return the numbers of those that this one completed."""
    completed: list[int] = []
    async with store:
        for some in in_turn(writer):
            answers = await asyncio.gather(*(complete(store, f"writer-{writer}", number) for number in some))
            completed += itertools.compress(some, answers)
    return completed


def in_turn(writer: int) -> list[Sequence[int]]:
    """Twenty numbers at a time; two writers each begin at the same place, so that there is something to contend for."""
    parts = [range(start, min(start + 20, TRIES)) for start in range(0, TRIES, 20)]
    first = writer // 2 * len(parts) // (WRITERS // 2)
    return [*parts[first:], *parts[:first]]
