"""What jobs say of how far they have come, and the history that their attempts leave."""

from __future__ import annotations

import asyncio
import threading
from itertools import pairwise

import pytest
from tests.worker import pills
from tests.worker.virtual import virtually

from sqsjobs import Retry, Snooze, constant, current_job
from sqsjobs import events as ev
from sqsjobs.errors import StoreUnavailable
from sqsjobs.job import JobStatus, Progress
from sqsjobs.store.memory import MemoryStore


class Counting(MemoryStore):
    """A store that writes down what is reported, and is away when it is told to be."""

    def __init__(self, clock) -> None:
        super().__init__(clock=clock)
        self.reports: list[tuple[float, float]] = []
        self.away = False

    async def report(self, job_id, epoch, progress):
        if self.away:
            raise StoreUnavailable("away")
        self.reports.append((self._clock.now(), progress.done))
        return await super().report(job_id, epoch, progress)


async def last_word(store, job_id):
    """How much the record of a job says is done."""
    return (await store.get(job_id)).progress.done


@virtually
async def test_progress_is_written_once_a_second_and_the_last_word_with_the_end(rig):
    """A job that says it 1,000 times in 10 s costs eleven writes, and none for the last."""
    store = Counting(rig.clock)

    @rig.task()
    async def job() -> None:
        for step in range(1000):
            current_job().progress(step, 1000, "at work")
            await asyncio.sleep(0.01)
        current_job().progress(1000, 1000, "all done")

    async with store:
        job_id = await rig.send(job)
        await rig.drain(store=store)
        record = await store.get(job_id)
    assert record is not None
    assert record.progress is not None
    assert record.ended_at is not None
    times = [at for at, _ in store.reports]
    assert 10 <= len(times) <= 11
    assert all(later - earlier >= 0.99 for earlier, later in pairwise(times))
    assert (record.progress.done, record.progress.total, record.progress.note) == (1000, 1000, "all done")
    assert record.progress.at == pytest.approx(record.ended_at, abs=0.1)


@virtually
async def test_progress_can_be_read_while_the_job_runs(rig):
    @rig.task()
    async def job() -> None:
        current_job().progress(3, note="three of nobody knows how many")
        await asyncio.sleep(5)

    job_id = await rig.send(job)
    async with rig.working():
        await rig.events.wait(ev.JobStarted)
        await asyncio.sleep(1)
        record = await rig.record(job_id)
        assert record.status is JobStatus.RUNNING
        assert record.progress == Progress(3, None, "three of nobody knows how many", record.progress.at)


async def test_a_thread_says_it_too(rig):
    go_on = threading.Event()

    @rig.task()
    def job() -> None:
        current_job().progress(1, 2)
        go_on.wait(10)

    job_id = await rig.send(job)
    async with rig.working():
        await rig.events.wait(ev.JobStarted)
        while (await rig.record(job_id)).progress is None:
            await asyncio.sleep(0.01)
        go_on.set()
        await rig.events.wait(ev.JobSettled)
    assert (await rig.record(job_id)).progress.done == 1


async def test_a_child_process_says_it_too(rig):
    """Up the pipe, a few messages however often it says it; what comes last arrives."""
    rig.know(pills.tells_progress)
    job_id = await rig.send(pills.tells_progress, steps=20_000)
    async with rig.working():
        await rig.events.wait(ev.JobSettled)
    record = await rig.record(job_id)
    assert (record.result, record.progress.done, record.progress.note) == (b"20000", 20_000, "all done")


@virtually
async def test_progress_that_the_store_did_not_take_goes_with_the_end(rig):
    store = Counting(rig.clock)

    @rig.task()
    async def job() -> None:
        current_job().progress(1, 2)
        await asyncio.sleep(5)
        store.away = False

    async with store:
        store.away = True
        job_id = await rig.send(job)
        await rig.drain(store=store)
        assert (await last_word(store, job_id)) == 1
    assert rig.events.one(ev.StoreFailed).operation == "report"
    assert store.reports == []


@virtually
async def test_where_only_the_end_is_recorded_progress_is_not_written_before(rig):
    store = Counting(rig.clock)

    @rig.task()
    async def job() -> None:
        for step in range(5):
            current_job().progress(step, 5)
            await asyncio.sleep(1)

    async with store:
        job_id = await rig.send(job)
        await rig.drain(store=store, tracking="result")
        assert store.reports == []
        assert (await last_word(store, job_id)) == 4


@virtually
async def test_without_records_progress_goes_nowhere_and_nothing_is_cancelled(rig):
    seen = []

    @rig.task()
    async def job() -> None:
        current_job().progress(1, 2)
        current_job().raise_if_cancelled()
        seen.append(current_job().cancelled)
        with pytest.raises(ValueError, match="finite"):
            current_job().progress(float("nan"))

    await rig.send(job)
    await rig.drain(tracking="off")
    assert seen == [False]


@virtually
async def test_a_note_is_kept_short(rig):
    @rig.task()
    async def job() -> None:
        current_job().progress(1, 2, "x" * 10_000)

    job_id = await rig.send(job)
    await rig.drain()
    assert (await rig.record(job_id)).progress.note == "x" * 500


@virtually
async def test_the_record_tells_the_life_of_a_job(rig):
    """Each attempt with its start, end, outcome, error and worker."""

    @rig.task(retry=Retry(max_attempts=5, backoff=constant(10, jitter=0)), timeout=2)
    async def job() -> int:
        calls.append(1)
        match len(calls):
            case 1:
                raise ValueError("first")
            case 2:
                await asyncio.sleep(5)
            case 3:
                raise Snooze(5)
        return 7

    calls: list[int] = []
    job_id = await rig.send(job)
    async with rig.working():
        await rig.events.wait(ev.JobSettled, count=4)
    history = (await rig.record(job_id)).history
    assert [(it.number, it.outcome, it.worker) for it in history] == [
        (1, "failed", "w1"),
        (2, "timed-out", "w1"),
        (3, "snoozed", "w1"),
        (3, "succeeded", "w1"),
    ]
    assert [it.error for it in history] == [
        "builtins.ValueError: first",
        "builtins.TimeoutError: the attempt took longer than 2 s",
        "",
        "",
    ]
    assert history[1].ended_at - history[1].started_at == pytest.approx(2, abs=0.01)
    assert all(earlier.ended_at < later.started_at for earlier, later in pairwise(history))
