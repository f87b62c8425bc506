"""What a worker asks of SQS: requests are what it is billed by."""

from __future__ import annotations

import asyncio
import itertools

from tests.process import jobs
from tests.process.rig import Ground

from sqsjobs import App
from sqsjobs.job import JobStatus

PER_JOB = ("SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")


async def test_an_idle_worker_makes_at_most_seven_calls_a_minute(field: Ground, app: App) -> None:
    """One long poll of ten seconds after another, and nothing else."""
    await field.worker("--queue", "work", "--wait", "10")
    async with asyncio.timeout(60):
        while len(field.called_at["ReceiveMessage"]) < 3:
            await asyncio.sleep(0.2)
    polls = field.called_at["ReceiveMessage"]
    assert min(later - earlier for earlier, later in itertools.pairwise(polls)) > 60 / 7
    assert set(field.calls) == {"GetQueueUrl", "GetQueueAttributes", "ReceiveMessage"}
    assert field.calls["GetQueueUrl"] + field.calls["GetQueueAttributes"] <= 3


async def test_under_load_a_job_costs_less_than_a_third_of_a_call(field: Ground, app: App) -> None:
    """Sends, receives and deletes go out in tens: 0.30 is the limit, 0.31 the promise.

    That is held exactly in virtual time (`tests/worker/test_polling.py`); a machine that is busy with other things as well
    now and then lets a delete go out with fewer than ten.
    """
    handles = await app.enqueue_many(jobs.no_op.call(n) for n in range(2000))
    worker = await field.worker("--burst", "--queue", "work")
    assert await worker.ended() == 0
    assert await handles[-1].status() is JobStatus.SUCCEEDED
    assert sum(field.calls[operation] for operation in PER_JOB) <= 0.33 * 2000


async def test_one_slot_on_a_busy_and_an_idle_queue_is_not_slowed_by_the_idle_one(field: Ground, app: App) -> None:
    """The idle queue's long poll holds no slot; and its job is started when it comes, though the other is busy."""
    await app.enqueue_many(jobs.busy.call(n) for n in range(300))
    await field.worker("--queue", "busy", "--queue", "seldom", "--concurrency", "1", "--wait", "10")
    await field.reports.until(lambda reports: reports.count("end") >= 30)
    await jobs.seldom.enqueue(1)
    await field.reports.until(lambda reports: reports.count("end") == 301, within=20)
    ends = [report.facts[0] for report in field.reports.of("end")]
    assert ends.index("seldom") < 300
    times = [report.at for report in field.reports.of("end")]
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 5  # never a whole long poll
