"""Jobs that take longer than their lease."""

from __future__ import annotations

import pytest
from tests.process import jobs
from tests.process.rig import TOKEN, Ground

from sqsjobs import App, Task
from sqsjobs.job import JobStatus

LEASE = ("--visibility", "5")


async def test_a_job_of_twelve_seconds_runs_once_under_leases_of_five(field: Ground, app: App) -> None:
    """Heartbeats keep the message hidden for as long as the job takes; another worker waits in vain for it."""
    await field.worker(*LEASE)
    await field.worker(*LEASE)
    job = await jobs.work.enqueue(1, seconds=12)
    assert await job.result(timeout=40) == 1
    assert field.reports.count("start") == 1
    record = await job.record()
    assert (record.attempts, record.crashes) == (1, 0)
    assert field.calls["ChangeMessageVisibilityBatch"] >= 6


async def test_a_coroutine_that_blocks_the_loop_for_twelve_seconds_runs_once_and_is_named(
    field: Ground, app: App
) -> None:
    """R13: heartbeats come from a thread of their own, and a warning names the task and shows where it blocks."""
    worker = await field.worker(*LEASE)
    await field.worker(*LEASE)
    job = await jobs.block_loop.enqueue(1, seconds=12, token=TOKEN)
    assert await job.result(timeout=40) == 1
    assert field.reports.count("start") == 1
    for process in field.workers:
        process.send(15)
        await process.ended()
    lines = [
        line for process in field.workers for line in process.lines if "block_loop" in line and "time.sleep" in line
    ]
    assert lines, "".join(worker.lines)


@pytest.mark.parametrize("task", [jobs.in_thread, jobs.in_process])
async def test_plain_functions_run_once_however_long_they_take(
    field: Ground, app: App, task: Task[..., object]
) -> None:
    """Threads and child processes keep their leases in the same way."""
    await field.worker("--visibility", "2")
    await field.worker("--visibility", "2")
    job = await task.enqueue(7, seconds=5)
    await job.result(timeout=40)
    assert field.reports.count("start") == 1
    assert await job.status() is JobStatus.SUCCEEDED
