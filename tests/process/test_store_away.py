"""The job store of a real worker is locked by somebody else for twelve seconds, or for as long as is asked for:

SQSJOBS_TEST_STORE_AWAY=30 python -m pytest tests/process/test_store_away.py
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import Counter
from contextlib import closing

from tests.process import jobs
from tests.process.rig import Ground
from tests.process.test_away import answer, free_port, until_answer

from sqsjobs import App
from sqsjobs.job import JobStatus

LOCKED = float(os.environ.get("SQSJOBS_TEST_STORE_AWAY", "12"))
"""Seconds; a call that waits for the lock is given up after five."""


async def test_a_store_that_is_locked_loses_no_job_and_completes_none_twice(field: Ground, app: App) -> None:
    """R36, R37: what ran then is recorded afterwards, what waited starts afterwards; /readyz says why. Eight seconds and
    the outage."""
    port = free_port()
    handles = await app.enqueue_many(jobs.work.call(n, seconds=2 + n % 3) for n in range(20))
    await field.worker("--concurrency", "10", "--metrics-port", str(port), "--metrics-host", "127.0.0.1")
    await field.reports.until(lambda reports: reports.count("start") == 10)
    with closing(sqlite3.connect(field.directory / "jobs.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        locked_at = asyncio.get_running_loop().time()
        assert "the job store does not answer" in await until_answer(port, "/readyz", 503, within=LOCKED)
        assert (await asyncio.to_thread(answer, port, "/livez"))[0] == 200
        await asyncio.sleep(locked_at + LOCKED - asyncio.get_running_loop().time())
        other.execute("ROLLBACK")
    ended, others = await app.wait(handles, timeout=60 + LOCKED)
    assert (len(ended), others) == (20, [])
    await until_answer(port, "/readyz", 200, within=20)
    records = [await handle.record() for handle in handles]
    assert {(record.status, record.crashes) for record in records} == {(JobStatus.SUCCEEDED, 0)}
    assert Counter(report.facts for report in field.reports.of("start")) == {(str(n),): 1 for n in range(20)}
    assert all(len(record.history) == record.attempts == 1 for record in records)
