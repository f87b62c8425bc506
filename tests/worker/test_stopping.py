"""How a worker stops: first fetching, then working; asked twice, at once."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from tests.worker.virtual import virtually

from sqsjobs import ConfigurationError, LifespanFailed, Retry, constant, current_job
from sqsjobs import events as ev
from sqsjobs.job import JobStatus
from sqsjobs.outcome import Interrupted, Succeeded, TimedOut, Unstarted
from sqsjobs.store.memory import MemoryStore
from sqsjobs.transport.memory import MemoryTransport
from sqsjobs.transport.model import Fault, Phase


async def stopped(rig, worker):
    """Wait until a worker that was asked to has stopped, and return whether nothing was left."""
    return (await rig.events.wait(ev.WorkerStopped, lambda e: e.worker == worker.name)).clean


@virtually
async def test_running_jobs_may_end_within_the_grace(rig):
    """R4: they are finished and acknowledged; nothing new is begun."""

    @rig.task()
    async def steady(n: int) -> None:
        await asyncio.sleep(10)

    await rig.send_many(steady, 5)
    async with rig.working(concurrency=3) as worker:
        await rig.events.wait(ev.JobStarted, count=3)
        worker.stop("deploy")
        assert await stopped(rig, worker)
    assert rig.events.count(ev.JobStarted) == 3
    stopping = rig.events.one(ev.WorkerStopping)
    assert (stopping.reason, stopping.in_hand, stopping.grace) == ("deploy", 3, 25)
    assert [message.phase for message in rig.messages()] == [Phase.VISIBLE] * 2


@virtually
async def test_a_poll_is_never_cancelled_and_what_it_brings_is_given_back(rig):
    """R5 and the seeded bug "cancel receive": a cancelled receive goes on at SQS and hides what it finds."""

    @rig.task()
    async def unlucky() -> None: ...

    async with rig.working(wait=10) as worker:
        await asyncio.sleep(3)
        worker.stop()
        await asyncio.sleep(1)
        assert not rig.events.of(ev.WorkerStopped)
        await rig.send(unlucky)
        assert await stopped(rig, worker)
    (message,) = rig.messages()
    assert (message.phase, message.receive_count) == (Phase.VISIBLE, 1)
    assert isinstance(rig.events.one(ev.JobSettled).outcome, Unstarted)
    assert not rig.events.of(ev.SqsCalled, lambda e: e.error == "Cancelled")


@virtually
async def test_nothing_is_released_before_the_last_poll_has_ended(rig):
    """R6: an own poll that is still open would swallow at once what is shown."""
    calls = []

    class Watched(MemoryTransport):
        async def receive(self, queue, **options):
            deliveries = await super().receive(queue, **options)
            calls.append("poll ended")
            return deliveries

        async def change_visibility(self, queue, changes):
            calls.extend("shown" for _, seconds in changes if seconds == 0)
            return await super().change_visibility(queue, changes)

    @rig.task()
    async def long(n: int) -> None:
        await asyncio.sleep(20)

    options = {"concurrency": 2, "wait": 10}
    async with Watched(rig.sqs) as transport, rig.working("work", "other", transport=transport, **options) as worker:
        await rig.send(long, n=0)
        await rig.events.wait(ev.JobStarted)
        await asyncio.sleep(10.5)
        await rig.send_many(long, 2)
        await rig.events.wait(ev.JobStarted, count=2)
        calls.clear()
        worker.stop()
        assert await stopped(rig, worker)
    assert "shown" in calls
    assert "poll ended" not in calls[calls.index("shown") :]


@virtually
async def test_after_the_grace_jobs_are_interrupted_and_given_back(rig):
    """R4 and I12: not a failure; visible within two seconds, the attempt not counted."""
    cleaned_up = []

    @rig.task()
    async def long() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1)
            cleaned_up.append(True)

    job_id = await rig.send(long)
    async with rig.working(grace=5) as worker:
        await rig.events.wait(ev.JobStarted)
        asked_at = rig.clock.now()
        worker.stop()
        assert await stopped(rig, worker)
    assert 5 <= rig.clock.now() - asked_at < 8
    assert cleaned_up
    assert isinstance(rig.events.one(ev.JobEnded).outcome, Interrupted)
    record = await rig.record(job_id)
    assert (record.status, record.attempts, record.lease_until) == (JobStatus.QUEUED, 0, None)
    await asyncio.sleep(2)
    assert rig.in_flight() == 0


@virtually
async def test_stops_burn_no_attempts_however_many(rig):
    """R40: ten deploys during one job, and its only attempt is still to come."""
    attempts = []

    @rig.task(retry=Retry(max_attempts=1))
    async def long() -> None:
        attempts.append(current_job().attempt)
        await asyncio.sleep(30)

    job_id = await rig.send(long)
    for n in range(10):
        async with rig.working(grace=1, name=f"w{n}") as worker:
            await rig.events.wait(ev.JobStarted, count=n + 1)
            worker.stop()
            await stopped(rig, worker)
    async with rig.working(name="last"):
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
    assert attempts == [1] * 11
    assert (await rig.record(job_id)).attempts == 1
    assert rig.messages("work-dlq") == []


@virtually
async def test_asked_twice_it_stops_at_once(rig):
    """R8: neither the grace nor open polls are waited for; what runs and what waits is released all the same."""

    @rig.task()
    async def long(n: int) -> None:
        await asyncio.sleep(1000)

    async with rig.working("work", "other", concurrency=2, wait=10) as worker:
        await rig.send(long, n=0)
        await rig.events.wait(ev.JobStarted)
        await asyncio.sleep(10.5)
        await rig.send_many(long, 2)  # two for one slot
        await rig.events.wait(ev.JobStarted, count=2)
        asked_at = rig.clock.now()
        worker.stop("SIGTERM")
        worker.stop("SIGTERM")
        assert await stopped(rig, worker)
        assert rig.clock.now() - asked_at < 2
        assert rig.events.one(ev.WorkerStopping).reason == "SIGTERM"
        rig.sqs.end_polls()
    await asyncio.sleep(12)
    assert rig.in_flight() == 0
    assert rig.in_flight("other") == 0


@virtually
async def test_what_a_stop_at_once_releases_is_not_swallowed_by_its_own_open_polls(rig):
    """R6 and R8: those go on at SQS; what became visible meanwhile would be hidden for a whole lease, to nobody's use."""

    @rig.task(queue="work.fifo")
    async def long(n: int) -> None:
        await asyncio.sleep(1000)

    for n in range(2):
        await rig.send(long, n=n)
    async with rig.working("work.fifo", fifo_receive=2, concurrency=5, wait=10) as worker:
        await rig.events.wait(ev.JobStarted)
        await asyncio.sleep(12)
        worker.stop()
        worker.stop()
        await stopped(rig, worker)
        await asyncio.sleep(12)
        assert rig.in_flight("work.fifo") == 0
        rig.sqs.end_polls()


@virtually
async def test_a_job_that_is_being_claimed_when_the_grace_ends_does_not_start(rig):
    """It would hear of no interruption."""

    class Slow(MemoryStore):
        async def claim(self, request):
            result = await super().claim(request)
            await asyncio.sleep(8)
            return result

    starts = []

    @rig.task()
    async def late() -> None:
        starts.append(1)

    await rig.send(late)
    async with Slow(clock=rig.clock) as store, rig.working(store=store, grace=5) as worker:
        await rig.events.wait(ev.JobDelivered)
        await asyncio.sleep(1)
        worker.stop()
        assert await stopped(rig, worker) is False
        await asyncio.sleep(10)
    assert starts == []
    assert isinstance(rig.events.one(ev.JobSettled).outcome, Interrupted)


@virtually
async def test_deletes_under_way_are_confirmed_before_the_end(rig):
    """R7: the flush is waited for, so that what is done is not done again."""

    @rig.task()
    async def quick(n: int) -> None: ...

    await rig.send_many(quick, 5)
    rig.faults.plan("DeleteMessageBatch", Fault(delay=4))
    async with rig.working(grace=1) as worker:
        await rig.events.wait(ev.JobEnded, count=5)
        worker.stop()
        await stopped(rig, worker)
    assert rig.messages() == []
    assert rig.events.count(ev.JobSettled, lambda e: e.disposition == "delete") == 5


@virtually
async def test_an_idle_worker_stops_when_its_polls_have_ended(rig):
    async with rig.working("work", "other", wait=20, visibility=60) as worker:
        await asyncio.sleep(5)
        worker.stop()
        asked_at = rig.clock.now()
        assert await stopped(rig, worker)
        assert 14 <= rig.clock.now() - asked_at <= 16


@virtually
async def test_a_cancelled_run_stops_at_once_and_says_so(rig):
    @rig.task()
    async def long() -> None:
        await asyncio.sleep(1000)

    job_id = await rig.send(long)
    worker = rig.worker()
    running = asyncio.ensure_future(worker.run())
    await rig.events.wait(ev.JobStarted)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    rig.sqs.end_polls()
    assert (await rig.record(job_id)).status is JobStatus.QUEUED


@virtually
async def test_the_lifespan_is_entered_once_around_all_jobs(rig):
    """Design section 3: nesting is the order of shutdown."""
    told: list[object] = []

    @asynccontextmanager
    async def lifespan():
        told.append("set up")
        yield
        told.append("torn down")

    @rig.task()
    async def job(n: int) -> None:
        told.append(n)
        await asyncio.sleep(5)
        told.append(n)

    await rig.send_many(job, 2)
    async with rig.working(lifespan=lifespan) as worker:
        await rig.events.wait(ev.JobStarted, count=2)
        worker.stop()
        await stopped(rig, worker)
    assert told == ["set up", 0, 1, 0, 1, "torn down"]


@virtually
async def test_a_lifespan_that_fails_ends_the_worker_before_it_takes_anything(rig):
    @asynccontextmanager
    async def lifespan():
        raise ConnectionError("no database")
        yield

    @rig.task()
    async def job() -> None: ...

    await rig.send(job)
    with pytest.raises(LifespanFailed, match="no database"):
        await rig.worker(lifespan=lifespan).run()
    assert rig.faults.made("ReceiveMessage") == 0


@virtually
async def test_a_heart_that_cannot_begin_ends_the_worker(rig):
    class Heartless(MemoryTransport):
        def clone(self):
            raise OSError("no more sockets")

    async with Heartless(rig.sqs) as transport:
        with pytest.raises(OSError, match="no more sockets"):
            await rig.worker(transport=transport).run()
    assert rig.faults.made("ReceiveMessage") == 0


@virtually
async def test_a_heart_that_stops_ends_the_worker_at_once(rig, monkeypatch):
    """Without heartbeats every lease is soon somebody else's: what runs is given back while it can be."""

    @rig.task()
    async def long() -> None:
        await asyncio.sleep(1000)

    job_id = await rig.send(long)
    worker = rig.worker()
    running = asyncio.ensure_future(worker.run())
    await rig.events.wait(ev.JobStarted)

    def fail() -> None:
        raise MemoryError("no more of it")

    monkeypatch.setattr(worker._pipeline.heart, "_plan", fail)
    with pytest.raises(BaseException, match=r"no more of it|unhandled errors"):
        await running
    assert "the heartbeats have ended" in rig.events.one(ev.WorkerStopping).reason
    rig.sqs.end_polls()
    assert (await rig.record(job_id)).attempts == 0


async def test_a_worker_runs_on_the_loop_of_its_transport(rig):
    """R69: another loop, or a fork, is refused in words, not by what breaks first."""

    def elsewhere() -> None:
        asyncio.run(rig.worker().run())

    with pytest.raises(ConfigurationError, match=r"another event loop"):
        await asyncio.to_thread(elsewhere)


# In real time: threads cannot be stopped ---------------------------------------------------------------


async def test_a_thread_that_goes_on_is_abandoned_and_its_message_released_a_little_later(rig):
    """R9: hidden for three seconds, so that the process is gone before the job runs anew; the attempt is given back."""
    go_on = threading.Event()

    @rig.task()
    def stubborn() -> None:
        go_on.wait(20)

    job_id = await rig.send(stubborn)
    async with rig.working(grace=0.1) as worker:
        await rig.events.wait(ev.JobStarted)
        worker.stop()
        rig.sqs.end_polls()
        assert await stopped(rig, worker) is False
        settled = rig.events.one(ev.JobSettled)
        assert (settled.outcome, settled.disposition, settled.delay) == (Interrupted(3.0), "hide", 3.0)
        record = await rig.record(job_id)
        assert (record.status, record.attempts) == (JobStatus.QUEUED, 0)
        assert rig.in_flight() == 1
    go_on.set()
    await rig.events.wait(ev.JobEnded)
    await asyncio.sleep(0)
    assert rig.events.count(ev.JobSettled) == 1  # what the thread did from then on is not looked at
    assert (await rig.record(job_id)).status is JobStatus.QUEUED


async def test_a_thread_that_ends_while_the_worker_stops_counts(rig):
    """R9: heartbeats go on until then."""
    go_on = threading.Event()

    @rig.task()
    def slow() -> str:
        go_on.wait(20)
        return "done"

    job_id = await rig.send(slow)
    async with rig.working(grace=0.1, visibility=2) as worker:
        await rig.events.wait(ev.JobStarted)
        worker.stop()
        rig.sqs.end_polls()
        asyncio.get_running_loop().call_later(1.2, go_on.set)
        assert await stopped(rig, worker)
    assert isinstance(rig.events.one(ev.JobEnded).outcome, Succeeded)
    assert (await rig.record(job_id)).result == b'"done"'


async def test_a_stop_does_not_excuse_a_thread_that_had_overrun_its_timeout(rig):
    """Its attempt stays counted; else a job that always hangs would come back for ever."""
    go_on = threading.Event()

    @rig.task(timeout=0.2, retry=Retry(max_attempts=2, backoff=constant(1, jitter=0)))
    def hung() -> None:
        go_on.wait(20)

    job_id = await rig.send(hung)
    async with rig.working(grace=0.1, visibility=2, concurrency=4) as worker:
        overran = await rig.events.wait(ev.JobOverran)
        assert (overran.job.id, overran.timeout) == (job_id, 0.2)
        worker.stop()
        rig.sqs.end_polls()
        assert await stopped(rig, worker) is False
    settled = rig.events.one(ev.JobSettled)
    assert (settled.outcome, settled.delay) == (TimedOut(0.2), 3.0)
    assert (await rig.record(job_id)).attempts == 1
    go_on.set()


async def test_a_worker_most_of_whose_threads_are_stuck_ends(rig):
    """R11: a new process serves better; the supervisor starts one."""
    go_on = threading.Event()

    @rig.task(timeout=0.1)
    def hung() -> None:
        go_on.wait(20)

    await rig.send(hung)
    async with rig.working(concurrency=1, visibility=2, grace=0):
        stopping = await rig.events.wait(ev.WorkerStopping)
        assert stopping.reason == "most threads go on past their timeouts"
        rig.sqs.end_polls()
    go_on.set()
