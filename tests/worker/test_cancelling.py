"""Jobs that are cancelled before their start, while they run, and across a crash of their worker."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.worker import pills
from tests.worker.test_records import crash_once
from tests.worker.virtual import virtually

from sqsjobs import Retry, constant, current_job
from sqsjobs import events as ev
from sqsjobs.errors import JobCancelled, StoreUnavailable
from sqsjobs.job import JobStatus
from sqsjobs.outcome import AlreadyEnded, Cancelled, Failed, Interrupted, Succeeded
from sqsjobs.store.base import JobRecord
from sqsjobs.store.memory import MemoryStore
from sqsjobs.store.sqlite import SqliteStore


class Asked(MemoryStore):
    """A store that does not push, and counts how often it is asked."""

    listening = None  # type: ignore[assignment]

    def __init__(self, clock) -> None:
        super().__init__(clock=clock)
        self.reads: list[int] = []

    async def records(self, job_ids):
        self.reads.append(len(job_ids))
        return await super().records(job_ids)


def cancel(rig, job_id):
    return rig.store.cancel(job_id, rig.clock.wall())


@virtually
async def test_a_job_that_was_cancelled_before_its_start_never_runs(rig):
    """Its message is deleted by the worker that gets it."""
    starts = []

    @rig.task()
    async def job() -> None:
        starts.append(1)

    job_id = await rig.send(job)
    await rig.store.insert(JobRecord(job_id, "job", "work", JobStatus.QUEUED))
    await cancel(rig, job_id)
    await rig.drain()
    assert not starts
    assert rig.events.one(ev.JobSettled).outcome == AlreadyEnded(JobStatus.CANCELLED)
    assert rig.messages() == []


@virtually
async def test_a_running_coroutine_is_cancelled_once_and_may_clean_up(rig):
    """Where the store pushes, at once; the message is deleted, the record says cancelled."""
    cleaned = []

    @rig.task()
    async def job() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0.5)
            cleaned.append(current_job().cancelled)

    job_id = await rig.send(job)
    async with rig.working():
        await rig.events.wait(ev.JobStarted)
        await asyncio.sleep(10)
        asked = await cancel(rig, job_id)
        assert asked.status is JobStatus.RUNNING
        settled = await rig.events.wait(ev.JobSettled)
    assert settled.outcome == Cancelled()
    record = await rig.record(job_id)
    assert (record.status, cleaned) == (JobStatus.CANCELLED, [True])
    assert record.ended_at - asked.cancel_requested_at == pytest.approx(0.55, abs=0.05)
    assert record.history[-1].outcome == "cancelled"
    assert rig.messages() == []


@virtually
async def test_a_job_is_cancelled_in_the_moment_in_which_it_begins(rig):
    """Before a second has passed nobody listens for it; the first look finds what was asked for before."""

    @rig.task()
    async def job() -> None:
        await asyncio.sleep(1000)

    job_id = await rig.send(job)
    async with rig.working():
        await rig.events.wait(ev.JobStarted)
        asked = await cancel(rig, job_id)
        await rig.events.wait(ev.JobSettled)
    assert (await rig.record(job_id)).ended_at - asked.cancel_requested_at < 3


@virtually
async def test_where_the_store_does_not_push_all_running_jobs_are_asked_for_together(rig):
    """One read of a store every five seconds, however many jobs run; and none for short jobs."""
    rig.store = Asked(rig.clock)

    @rig.task()
    async def long(n: int) -> None:
        await asyncio.sleep(1000)

    @rig.task()
    async def short(n: int) -> None:
        await asyncio.sleep(0.5)

    async with rig.store:
        await rig.send_many(short, 200)
        await rig.drain(concurrency=50)
        assert sum(rig.store.reads) == 0
        jobs = await rig.send_many(long, 50)
        async with rig.working(concurrency=50):
            await rig.events.wait(ev.JobStarted, count=250)
            await asyncio.sleep(60)
            assert 10 <= len(rig.store.reads) <= 13
            assert set(rig.store.reads) == {50}
            asked = await cancel(rig, jobs[7])
            await rig.events.wait(ev.JobSettled, count=201)
            record = await rig.record(jobs[7])
            assert record.status is JobStatus.CANCELLED
            assert record.ended_at - asked.cancel_requested_at <= 6
            assert rig.events.count(ev.JobEnded, lambda event: event.outcome == Cancelled()) == 1


async def test_a_thread_sees_the_flag_and_ends_itself(rig):
    """Nobody can stop a thread; `raise_if_cancelled` in its loop does. In real time."""
    began = threading.Event()

    @rig.task()
    def job() -> None:
        began.set()
        ticks = threading.Event()
        while True:
            current_job().raise_if_cancelled()
            ticks.wait(0.01)

    job_id = await rig.send(job)
    async with rig.working():
        await asyncio.to_thread(began.wait, 10)
        await asyncio.sleep(1.2)
        await cancel(rig, job_id)
        settled = await rig.events.wait(ev.JobSettled)
    assert settled.outcome == Cancelled()
    assert (await rig.record(job_id)).status is JobStatus.CANCELLED
    assert rig.messages() == []


async def test_a_child_process_is_killed(rig):
    rig.know(pills.takes_a_minute)
    job_id = await rig.send(pills.takes_a_minute)
    async with rig.working():
        await rig.events.wait(ev.JobStarted)
        await cancel(rig, job_id)
        settled = await rig.events.wait(ev.JobSettled)
    assert settled.outcome == Cancelled()
    record = await rig.record(job_id)
    assert (record.status, record.crashes) == (JobStatus.CANCELLED, 0)


@virtually
async def test_what_a_job_does_in_spite_of_it_is_recorded_as_it_was(rig):
    """One that returns all the same has succeeded; one that raises something else instead was cancelled."""

    @rig.task()
    async def stubborn() -> str:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return "done all the same"
        return "in peace"

    @rig.task()
    async def clumsy() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            raise RuntimeError("the connection is closed already")

    @rig.task()
    async def of_another() -> None:
        raise JobCancelled("0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11")

    jobs = {made: await rig.send(made) for made in (stubborn, clumsy)}
    async with rig.working():
        await rig.events.wait(ev.JobStarted, count=2)
        for job_id in jobs.values():
            await cancel(rig, job_id)
        await rig.events.wait(ev.JobSettled, count=2)
        assert (await rig.record(jobs[stubborn])).result == b'"done all the same"'
        assert (await rig.record(jobs[clumsy])).status is JobStatus.CANCELLED
        await rig.send(of_another)
        ended = await rig.events.wait(ev.JobEnded, lambda event: event.job.task == "of_another")
        assert isinstance(ended.outcome, Failed)
    assert rig.events.of(ev.JobSettled, lambda event: isinstance(event.outcome, Succeeded))


@virtually
async def test_the_cancelled_job_of_a_killed_worker_does_not_run_again(rig):
    """The mark is in the record: whoever gets the message next ends the job."""
    starts = []

    @rig.task()
    async def job() -> None:
        starts.append(1)

    job_id = await rig.send(job)
    await crash_once(rig, job_id, lease=30.0)
    await cancel(rig, job_id)
    assert (await rig.record(job_id)).status is JobStatus.RUNNING
    async with rig.working():
        await rig.events.wait(ev.JobSettled, lambda event: event.outcome == AlreadyEnded(JobStatus.CANCELLED))
    assert not starts
    record = await rig.record(job_id)
    assert (record.status, record.crashes, record.history[0].outcome) == (JobStatus.CANCELLED, 1, "crashed")
    assert rig.messages() == []


@virtually
async def test_a_cancelled_job_is_not_retried_and_a_stop_does_not_release_it(rig):
    """Its worker may not have heard of it when the attempt fails, or when it stops."""

    @rig.task(retry=Retry(max_attempts=5, backoff=constant(60, jitter=0)))
    async def fails() -> None:
        await rig.store.cancel(current_job().id, rig.clock.wall())
        raise ValueError

    @rig.task()
    async def long() -> None:
        await rig.store.cancel(current_job().id, rig.clock.wall())
        await asyncio.sleep(1000)

    failed, stopped = await rig.send(fails), await rig.send(long)
    async with rig.working(grace=0.1):
        await rig.events.wait(ev.JobSettled)
    assert rig.events.of(ev.JobEnded)[-1].outcome == Interrupted(1.0)
    for job_id in (failed, stopped):
        record = await rig.record(job_id)
        assert (record.status, record.attempts) in ((JobStatus.CANCELLED, 1), (JobStatus.CANCELLED, 0))
    await asyncio.sleep(61)
    await rig.drain(name="second")
    assert rig.events.count(ev.JobStarted) == 2
    assert rig.messages() == []


@virtually
async def test_a_store_that_is_away_is_asked_again(rig):
    class Away(MemoryStore):
        until = 0.0

        async def records(self, job_ids):
            if self._clock.now() < self.until:
                raise StoreUnavailable("away")
            return await super().records(job_ids)

    rig.store = Away(clock=rig.clock)

    @rig.task()
    async def job() -> None:
        await asyncio.sleep(1000)

    async with rig.store:
        job_id = await rig.send(job)
        rig.store.until = rig.clock.now() + 30
        async with rig.working():
            await rig.events.wait(ev.JobStarted)
            await cancel(rig, job_id)
            await rig.events.wait(ev.StoreFailed, lambda event: event.operation == "cancellations")
            await rig.events.wait(ev.JobEnded, lambda event: event.outcome == Cancelled())


async def test_a_store_of_another_process_cancels_too(rig, tmp_path):
    """SQLite: what one process writes, another one reads. In real time, some six seconds."""
    rig.store = SqliteStore(tmp_path / "jobs.db")

    @rig.task()
    async def job() -> None:
        await asyncio.sleep(1000)

    async with rig.store, rig.store.clone() as elsewhere:
        job_id = await rig.send(job)
        async with rig.working():
            await rig.events.wait(ev.JobStarted)
            await elsewhere.cancel(job_id, rig.clock.wall())
            await rig.events.wait(ev.JobEnded, lambda event: event.outcome == Cancelled())
