"""An app in memory: for one block, by a real worker, with a clock that can be moved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from sqsjobs import App, Discard, JobFailed, NoJobStore, Reject, Retry, RetryAfter, Snooze, current_job, exponential
from sqsjobs.errors import ConfigurationError
from sqsjobs.events import JobEnded, JobSettled, JobStarted, PollCompleted, WorkerStopped
from sqsjobs.job import JobStatus
from sqsjobs.outcome import Failed
from sqsjobs.testing import JobsFailed, MemoryApp, RecordedEvents
from sqsjobs.transport.base import OutgoingMessage

app = App("shop")
ran: list[str] = []


@app.task(queue="work", retry=Retry(max_attempts=4, backoff=exponential(60, 3600)))
async def work(name: str, fails: int = 0) -> str:
    ran.append(name)
    if current_job().attempt <= fails:
        raise ValueError(f"{name} fails")
    return f"did {name}"


@app.task(queue="work")
async def steer(wish: str) -> None:
    if wish == "snooze" and wish not in ran:
        ran.append(wish)
        raise Snooze(600)
    if wish == "retry" and current_job().attempt == 1:
        raise RetryAfter(60)
    if wish == "discard":
        raise Discard("not wanted any more")
    if wish == "reject":
        raise Reject("never")
    ran.append(f"{wish} done")


@app.task(queue="chain")
async def chain(left: int) -> None:
    ran.append(f"chain {left}")
    if left:
        await chain.using(delay=60).enqueue(left - 1)


@app.task(queue="orders.fifo", retry=Retry(max_attempts=3))
def order(number: int) -> None:
    if number == 2 and current_job().attempt < 3:
        raise ValueError("not yet")
    ran.append(f"order {number}")


@app.task(queue="careless", retry=Retry(max_attempts=1), on_exhausted="discard")
async def careless() -> None:
    raise ValueError("who cares")


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@pytest.fixture
async def jobs() -> AsyncIterator[MemoryApp]:
    async with MemoryApp(app) as jobs:
        yield jobs


# Swapping -------------------------------------------------------------------------------------------


async def test_the_app_is_itself_again_after_the_block() -> None:
    observer = RecordedEvents()
    own = App("own", store="memory://", tracking="result", observers=[observer], queue_prefix="staging-")
    before = own._plan
    with MemoryApp(own) as jobs:
        async with own:
            assert own.tracking == "result"
            assert own.store is not None
            await own.remote("plain").enqueue()
        assert not own.is_open
        assert [job.queue for job in jobs.enqueued()] == ["default"]
        assert len(observer) == len(jobs.events) > 0
    assert own._plan is before
    assert own.tracking == "result"


async def test_each_block_has_queues_and_records_of_its_own() -> None:
    async with MemoryApp(app):
        job = await work.enqueue("a")
    async with MemoryApp(app) as jobs:
        assert jobs.enqueued() == ()
        assert not (await jobs.drain()).jobs
        with pytest.raises(Exception, match="no record"):
            await app.job(job.id).record()


async def test_an_open_app_cannot_be_put_in_memory(jobs: MemoryApp) -> None:
    with pytest.raises(ConfigurationError, match="is open"):
        MemoryApp(app).__enter__()
    assert jobs.app.is_open


async def test_an_error_in_the_block_restores_the_app_too() -> None:
    before = app._plan
    with pytest.raises(ZeroDivisionError):
        async with MemoryApp(app):
            raise ZeroDivisionError
    assert app._plan is before
    assert not app.is_open


async def test_without_a_store_results_are_refused_and_jobs_run_all_the_same() -> None:
    async with MemoryApp(app, store=False) as jobs:
        job = await work.enqueue("a", fails=1)
        report = await jobs.drain(skip_delays=True)
        assert [done.attempts for done in report.succeeded] == [2]
        with pytest.raises(NoJobStore):
            await job.result()


# Draining -------------------------------------------------------------------------------------------


async def test_a_drain_runs_what_is_due_and_what_that_enqueues(jobs: MemoryApp) -> None:
    results = [await work.enqueue(name) for name in ("a", "b")]
    await work.using(queue="elsewhere").enqueue("c")
    await chain.enqueue(0)
    report = await jobs.drain()
    assert sorted(ran) == ["a", "b", "c", "chain 0"]
    assert len(report.succeeded) == len(report.jobs) == 4
    assert report.not_due == 0
    assert [await job.result(timeout=0) for job in results] == ["did a", "did b"]


async def test_delayed_jobs_wait_for_the_clock(jobs: MemoryApp) -> None:
    await chain.enqueue(2)
    assert (await jobs.drain()).not_due == 1
    jobs.advance(59)
    assert not (await jobs.drain()).jobs
    jobs.advance(timedelta(seconds=1))
    await jobs.drain()
    assert ran == ["chain 2", "chain 1"]


async def test_skipping_delays_also_runs_what_becomes_due_by_itself(jobs: MemoryApp) -> None:
    """Between the worker's last look and the next move of the clock."""
    await chain.enqueue(1)
    burst = jobs._burst

    async def burst_and_a_minute(concurrency: int) -> None:
        await burst(concurrency)
        if len(ran) == 1:
            jobs.advance(60)

    jobs._burst = burst_and_a_minute  # type: ignore[method-assign]
    assert (await jobs.drain(skip_delays=True)).not_due == 0
    assert ran == ["chain 1", "chain 0"]


async def test_skipping_delays_leaves_nothing_and_takes_no_time(jobs: MemoryApp) -> None:
    began = time.perf_counter()
    await chain.enqueue(10)
    await work.enqueue("flaky", fails=3)
    await steer.enqueue("snooze")
    await steer.enqueue("retry")
    report = await jobs.drain(skip_delays=True)
    assert report.not_due == 0
    assert not report.waiting
    assert {job.attempts for job in report.succeeded if job.task == "work"} == {4}
    assert time.perf_counter() - began < 10
    assert jobs.clock.wall() - time.time() > 590


async def test_retries_beyond_the_longest_delay_of_sqs_are_skipped_too(jobs: MemoryApp) -> None:
    await work.enqueue("a", fails=3)
    jobs.advance(timedelta(days=1))
    report = await jobs.drain(skip_delays=True)
    assert [job.attempts for job in report.succeeded] == [4]


async def test_a_failure_raises_with_the_jobs_traceback(jobs: MemoryApp) -> None:
    await work.enqueue("fine")
    await work.enqueue("bad", fails=9)
    with pytest.raises(JobsFailed) as failure:
        await jobs.drain(skip_delays=True)
    text = str(failure.value)
    assert text.startswith("1 of 2 jobs failed")
    assert "work(name='bad', fails=9): failed after 4 attempts, dead-lettered (exhausted)" in text
    assert "ValueError: bad fails" in text
    assert len(failure.value.report.succeeded) == 1


async def test_a_failure_whose_retry_is_not_due_raises_too_and_says_how_to_go_on(jobs: MemoryApp) -> None:
    await work.enqueue("bad", fails=1)
    with pytest.raises(JobsFailed, match=r"(?s)waiting after 1 attempt; .*skip_delays=True.*ValueError: bad fails"):
        await jobs.drain()
    assert len((await jobs.drain(skip_delays=True)).succeeded) == 1


async def test_allowed_failures_are_in_the_report(jobs: MemoryApp) -> None:
    handles = {name: await work.enqueue(name, fails=9) for name in ("a", "b")}
    await steer.enqueue("reject")
    await careless.enqueue()
    report = await jobs.drain(skip_delays=True, allow_failures=True)
    assert sorted((job.task, job.dead_letter) for job in report.failed) == [
        ("careless", ""),
        ("steer", "rejected"),
        ("work", "exhausted"),
        ("work", "exhausted"),
    ]
    assert all(isinstance(job.outcome, Failed) for job in report.failed if job.task == "work")
    assert len(jobs.sqs.peek("work-dlq")) == 3
    with pytest.raises(JobFailed, match="a fails"):
        await handles["a"].result(timeout=0)
    assert (await handles["b"].record()).dead_lettered


async def test_what_a_job_wished_for_is_no_failure(jobs: MemoryApp) -> None:
    for wish in ("snooze", "retry", "discard"):
        await steer.enqueue(wish)
    report = await jobs.drain()
    assert [job.arguments["wish"] for job in report.discarded] == ["discard"]
    assert sorted(job.arguments["wish"] for job in report.waiting) == ["retry", "snooze"]
    assert report.not_due == 2


async def test_poison_and_unknown_tasks_fail_the_drain(jobs: MemoryApp) -> None:
    unknown = '{"sqsjobs": 1, "task": "nobody", "args": {}}'
    await app.transport.send("work", [OutgoingMessage("not JSON"), OutgoingMessage(unknown)])
    with pytest.raises(JobsFailed, match=r"(?s)dead-lettered \(invalid-envelope\).*nobody") as failure:
        await jobs.drain()
    assert failure.value.report.not_due == 1
    report = await jobs.drain(skip_delays=True, allow_failures=True)  # an hour of parking takes no time
    assert [job.dead_letter for job in report.failed] == ["unknown-task"]


async def test_fifo_groups_keep_their_order_through_retries(jobs: MemoryApp) -> None:
    for number in range(4):
        await order.using(group="customer").enqueue(number)
    await jobs.drain(skip_delays=True)
    assert ran == ["order 0", "order 1", "order 2", "order 3"]


async def test_a_circle_of_jobs_is_told_and_not_waited_for(jobs: MemoryApp) -> None:
    await chain.enqueue(10_000)
    with pytest.raises(AssertionError, match=r"more than 20 attempts \(chain 21\)"):
        await jobs.drain(skip_delays=True, limit=20)


async def test_a_burst_does_not_poll_in_circles_while_a_job_runs(jobs: MemoryApp) -> None:
    @app.task(queue="work")
    async def slow() -> None:
        await asyncio.sleep(0.3)

    await slow.enqueue()
    await jobs.drain()
    assert len(jobs.events.of(PollCompleted)) < 50


async def test_a_drain_tells_the_apps_observers_and_records_everything(jobs: MemoryApp) -> None:
    job = await work.enqueue("a")
    await jobs.drain()
    assert len(jobs.events.of(JobStarted, job=job)) == 1
    assert jobs.events.of(JobSettled, task=work)[0].disposition == "delete"
    assert await job.status() is JobStatus.SUCCEEDED


async def test_an_app_open_on_another_loop_cannot_be_drained_here(jobs: MemoryApp) -> None:
    with pytest.raises(ConfigurationError, match="another event loop"):
        await asyncio.to_thread(jobs.drain_sync)


def test_a_drain_opens_the_app_where_nobody_did() -> None:
    with MemoryApp(app) as jobs:
        work.enqueue_sync("a")
        assert len(jobs.drain_sync().succeeded) == 1
        assert not app.is_open
        work.enqueue_sync("b")
        assert [job.arguments["name"] for job in jobs.drain_sync().succeeded] == ["b"]


# Beside a running worker ----------------------------------------------------------------------------


async def test_a_worker_beside_the_test_is_waited_for_by_its_events(jobs: MemoryApp) -> None:
    worker = app.worker(wait=1, concurrency=2)
    working = asyncio.create_task(worker.run())
    job = await work.enqueue("a")
    assert (await jobs.events.wait_for(JobEnded, job=job)).attempt == 1
    worker.stop()
    assert await working
    assert jobs.events.of(WorkerStopped)


async def test_a_job_may_wait_for_another_beside_a_running_worker(jobs: MemoryApp) -> None:
    @app.task(queue="work")
    async def leader() -> str:
        return await (await work.enqueue("follower")).result(timeout=5)

    worker = app.worker(wait=1, concurrency=2)
    working = asyncio.create_task(worker.run())
    job = await leader.enqueue()
    assert await job.result(timeout=5) == "did follower"
    worker.stop()
    await working


async def test_the_repr_says_where_things_stand(jobs: MemoryApp) -> None:
    await work.enqueue("a")
    assert "1 jobs enqueued" in repr(jobs)
    jobs.advance(90)
    assert repr(jobs.clock) == "<MovableClock, 90 s ahead>"
    with pytest.raises(ConfigurationError, match="duration"):
        jobs.advance(-1)
