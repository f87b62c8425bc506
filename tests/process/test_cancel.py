"""Jobs that are cancelled from another process: by the record, in real workers, across a kill."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
from tests.process import jobs
from tests.process.rig import TOKEN, Ground

from sqsjobs import App, JobCancelled
from sqsjobs.job import JobStatus


async def test_running_jobs_of_every_kind_are_cancelled(field: Ground, app: App) -> None:
    """A coroutine is cancelled, a child process killed, a thread sees it; their messages are deleted. Some eight seconds."""
    await field.worker("--concurrency", "5")
    running = [
        await jobs.work.enqueue(1, seconds=60),
        await jobs.in_process.enqueue(2, seconds=60, token=TOKEN),
        await jobs.patient.enqueue(3, seconds=60),
    ]
    await field.reports.until(lambda reports: reports.count("start") == 3)
    assert [await job.cancel() for job in running] == [JobStatus.RUNNING] * 3
    ended, others = await app.wait(running, timeout=20)
    assert (len(ended), others) == (3, [])
    for job in running:
        with pytest.raises(JobCancelled):
            await job.result(timeout=0)
        assert (await job.record()).history[-1].outcome == "cancelled"
    assert field.reports.count("end") == 0
    async with asyncio.timeout(10):
        while field.server.sqs.peek("work"):
            await asyncio.sleep(0.05)  # SQS has no events
    assert await (await jobs.in_process.enqueue(4, seconds=0)).result(timeout=20)


async def test_the_cancelled_job_of_a_killed_worker_never_runs_again(field: Ground, app: App) -> None:
    """The mark is in the record: the next worker ends the job when its message comes back. A lease, some six seconds."""
    victim = await field.worker("--visibility", "5")
    job = await jobs.work.enqueue(1, seconds=60)
    await field.reports.until(lambda reports: reports.count("start") == 1)
    assert await job.cancel() is JobStatus.RUNNING
    victim.send(signal.SIGKILL)
    await victim.ended()
    killed_at = time.monotonic()
    await field.worker("--visibility", "5")
    with pytest.raises(JobCancelled):
        await job.result(timeout=20)
    assert time.monotonic() - killed_at < 5 + 1 + 6  # lease, poll, start of the other worker
    assert field.reports.count("start") == 1
    record = await job.record()
    assert (record.crashes, record.history[-1].outcome) == (1, "crashed")
