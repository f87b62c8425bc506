"""Deploys: many restarts under one job, and two versions of the code side by side."""

from __future__ import annotations

import asyncio
import signal
from functools import partial

from tests.process import jobs
from tests.process.rig import Ground, Reports, WorkerProcess

from sqsjobs import App
from sqsjobs.job import JobStatus

APP = "tests.process.versions:app"


async def test_three_restarts_under_one_job_burn_none_of_its_attempts(field: Ground, app: App) -> None:
    """R40: each gives the message back; its receive count rises, its attempts do not, and it is no dead letter."""
    handle = await jobs.work.enqueue(1, seconds=30)
    for restart in range(1, 4):
        worker = await field.worker("--grace", "0")
        await field.reports.until(partial(_started, restart))
        worker.send(signal.SIGTERM)
        assert await worker.ended() == 0
        record = await handle.record()
        assert (record.status, record.attempts, record.crashes) == (JobStatus.QUEUED, 0, 0)
    (message,) = field.server.sqs.peek("work")
    assert message.receive_count == 3
    assert not field.server.sqs.peek("work-dlq")


async def test_a_rolling_restart_loses_no_job_of_either_version(field: Ground) -> None:
    """R48: old workers park what only the new ones know, for half a minute at first; nothing ends as a dead letter."""
    remote = App("producers", endpoint_url=field.server.endpoint_url, store=field.store)
    old, new = remote.remote("old", queue="work"), remote.remote("new", queue="work")
    async with remote:
        first = [await field.worker(app=APP, SQSJOBS_TEST_VERSION="1") for _ in range(2)]
        handles = [await old.enqueue(number=n) for n in range(20)]
        await field.reports.until(lambda reports: reports.count("end") == 20)
        handles += [await new.enqueue(number=n) for n in range(20, 40)]  # by a producer that was deployed too early
        async with asyncio.timeout(20):
            while field.phases("work") != {"in_flight": 20}:
                await asyncio.sleep(0.1)
        for worker in first:
            await worker.started()
            await replace(field, worker)
            handles += [await old.enqueue(number=n) for n in range(len(handles), len(handles) + 10)]
        await field.reports.until(lambda reports: len(reports.ended()) == 60, within=80)
        results = [await handle.result(timeout=20) for handle in handles]
    assert results == [str(number) for number in range(60)]
    assert {facts[2] for facts in field.reports.ended() if facts[0] == "new"} == {"2"}
    assert not field.server.sqs.peek("work-dlq")


def _started(times: int, reports: Reports) -> bool:
    return reports.count("start") == times


async def replace(field: Ground, worker: WorkerProcess) -> None:
    """Stop a worker of the old version, and start one of the new."""
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
    await field.worker(app=APP, SQSJOBS_TEST_VERSION="2")
