"""Jobs that do unusual things."""

from __future__ import annotations

import pytest
from tests.process import jobs
from tests.process.rig import Ground

from sqsjobs import App, JobFailed
from sqsjobs.job import JobStatus


async def test_a_child_process_works_on_the_queues_and_records_of_its_worker(field: Ground, app: App) -> None:
    """What the command line says of backends holds in children, too, whatever the environment says."""
    options = ("--endpoint-url", field.server.endpoint_url, "--store", field.store)
    await field.worker(*options, AWS_ENDPOINT_URL_SQS="http://127.0.0.1:1", SQSJOBS_STORE="memory://")
    child = await jobs.enqueue_from_child.enqueue(7)
    assert await app.job(await child.result(timeout=40)).result(timeout=40) == 7


async def test_a_job_that_cancels_itself_has_failed(field: Ground, app: App) -> None:
    """Nobody asked for its end, so it is no interruption: it has its attempts, and then it is dead-lettered."""
    await field.worker()
    handle = await jobs.cancel_itself.enqueue()
    with pytest.raises(JobFailed, match="CancelledError"):
        await handle.result(timeout=40)
    record = await handle.record()
    assert (record.attempts, record.dead_lettered, field.reports.count("start")) == (2, True, 2)


async def test_the_reason_of_a_discard_is_kept(field: Ground, app: App) -> None:
    """Who asks for the result learns why there is none."""
    await field.worker()
    handle = await jobs.useless.enqueue()
    with pytest.raises(JobFailed, match="no use"):
        await handle.result(timeout=40)
    assert await handle.status() is JobStatus.DISCARDED
