"""Workers that are killed or stopped in the gaps between a side effect, its record, and the delete of its message."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections import Counter
from contextlib import closing

from tests.process import jobs
from tests.process.rig import Ground

from sqsjobs import App
from sqsjobs.job import JobStatus
from sqsjobs.local import FaultPlan, FaultRule


async def until_struck(field: Ground, operation: str) -> None:
    """Wait until a fault has struck an operation; SQS has no events."""
    async with asyncio.timeout(30):
        while not field.server.plan or not any(struck == operation for struck, _ in field.server.plan.injected):
            await asyncio.sleep(0.02)


async def until_empty(field: Ground, queue: str) -> None:
    async with asyncio.timeout(30):
        while field.server.sqs.peek(queue):
            await asyncio.sleep(0.05)


async def test_kill_9_between_the_record_and_the_delete_costs_no_second_run(field: Ground, app: App) -> None:
    """R3: the message comes back, its job is recorded as done, and so it is deleted and not run."""
    field.server.plan = FaultPlan([FaultRule("half-open-before", "DeleteMessageBatch", rate=1.0)])
    victim = await field.worker("--visibility", "2")
    handle = await jobs.work.enqueue(1)
    assert await handle.result(timeout=30) == 1
    await until_struck(field, "DeleteMessageBatch")
    victim.send(signal.SIGKILL)
    await victim.ended()
    before = await handle.record()
    field.server.plan = None
    await field.worker("--visibility", "2")
    await until_empty(field, "work")
    assert field.reports.count("start") == 1
    assert await handle.record() == before
    assert not field.server.sqs.peek("work-dlq")


async def test_kill_9_between_the_side_effect_and_the_record_is_where_a_job_runs_again(field: Ground, app: App) -> None:
    """R2: one that is over and not recorded runs once more; one beside it that is recorded, and not deleted, does not."""
    field.server.plan = FaultPlan([FaultRule("half-open-before", "DeleteMessageBatch", rate=1.0)])
    victim = await field.worker("--visibility", "2")
    recorded = await jobs.work.enqueue(1)
    assert await recorded.result(timeout=30) == 1
    unrecorded = await jobs.work.enqueue(2, seconds=0.5)
    await field.reports.until(lambda reports: reports.count("start") == 2)
    with closing(sqlite3.connect(field.directory / "jobs.db", isolation_level=None)) as store:
        store.execute("BEGIN IMMEDIATE")  # nobody else writes until it is closed
        await field.reports.until(lambda reports: reports.count("end") == 2)
        assert await unrecorded.status() is JobStatus.RUNNING
        victim.send(signal.SIGKILL)
        await victim.ended()
    field.server.plan = None
    await field.worker("--visibility", "2")
    assert await unrecorded.result(timeout=30) == 2
    await until_empty(field, "work")
    assert Counter(report.facts[0] for report in field.reports.of("end")) == {"1": 1, "2": 2}
    first, second = await recorded.record(), await unrecorded.record()
    assert [(it.attempts, it.epoch, it.crashes) for it in (first, second)] == [(1, 1, 0), (2, 2, 1)]


async def test_a_stop_waits_for_deletes_that_are_slow(field: Ground, app: App) -> None:
    """R7: the flush is waited for under heartbeats, so that when the worker has ended nothing that was done is left."""
    field.server.plan = FaultPlan([FaultRule("latency", "DeleteMessageBatch", rate=1.0, seconds=3)])
    worker = await field.worker("--visibility", "2", "--grace", "8")
    handles = await app.enqueue_many(jobs.work.call(n) for n in range(5))
    await field.reports.until(lambda reports: reports.count("end") == 5)
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
    assert not field.server.sqs.peek("work")
    assert field.reports.count("start") == 5
    assert {await handle.status() for handle in handles} == {JobStatus.SUCCEEDED}


async def test_after_its_end_a_job_has_no_heartbeats(field: Ground, app: App) -> None:
    """R18: they go on while it runs, and there is none from when its message is deleted until the worker is gone."""
    worker = await field.worker("--visibility", "2", "--queue", "work")
    handle = await jobs.work.enqueue(1, seconds=3)
    assert await handle.result(timeout=30) == 1
    await until_empty(field, "work")
    beats = field.calls["ChangeMessageVisibilityBatch"]
    assert beats >= 3
    polls = field.calls["ReceiveMessage"]
    async with asyncio.timeout(30):
        while field.calls["ReceiveMessage"] < polls + 3:  # each takes a second
            await asyncio.sleep(0.1)
    worker.send(signal.SIGTERM)
    await worker.ended()
    assert field.calls["ChangeMessageVisibilityBatch"] == beats
