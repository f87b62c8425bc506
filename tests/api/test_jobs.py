"""Jobs by their records, through the app: watched, waited for, listed, cancelled, sent again; on loops and without."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from tests.api.scripted import ScriptedTransport, refuses
from tests.canaries import canary_key

from sqsjobs import (
    App,
    CannotRetry,
    ConfigurationError,
    EnqueueRejected,
    HmacKey,
    JobCancelled,
    JobFailed,
    JobStatus,
    MemorySQS,
    MemoryStore,
    MemoryTransport,
    NoJobStore,
    Reject,
    ResultTimeout,
    Retry,
    Signing,
    UnknownJob,
    current_job,
)
from sqsjobs.job import new_job_id
from sqsjobs.transport.base import OutgoingMessage


@pytest.fixture
def sqs():
    return MemorySQS()


@pytest.fixture
def app(sqs):
    app = App("tests", transport=MemoryTransport(sqs, create_missing=True), store=MemoryStore(), allow_no_dlq=True)
    yield app
    app.close_sync()


@asynccontextmanager
async def working(app, sqs, *queues):
    """Run a worker of the open app beside the block."""
    worker = app.worker(queues or ("default",), wait=1, grace=0.1)
    running = asyncio.ensure_future(worker.run())
    try:
        yield
    finally:
        worker.stop("the test is over")
        sqs.end_polls()
        await running


@pytest.fixture
def double(app):
    @app.task
    async def double(n: int) -> int:
        if n < 0:
            raise Reject("negative")
        return 2 * n

    return double


# Watching -----------------------------------------------------------------------------------------------


async def test_a_job_is_watched_from_where_it_is_to_its_end(app, sqs):
    go_on = asyncio.Event()

    @app.task
    async def job() -> None:
        current_job().progress(1, 3, "one of three")
        await go_on.wait()

    async with app:
        handle = await job.enqueue()
        updates = handle.watch()
        first = await anext(updates)
        assert (first.id, first.status, first.attempts, first.at) == (
            handle.id,
            JobStatus.QUEUED,
            0,
            (await handle.record()).enqueued_at,
        )
        async with working(app, sqs):
            seen = []
            async for update in updates:
                seen.append(update)
                if update.progress:
                    go_on.set()
        assert [update.status for update in seen][-1] is JobStatus.SUCCEEDED
        assert {update.status for update in seen} == {JobStatus.RUNNING, JobStatus.SUCCEEDED}
        said = next(update.progress for update in seen if update.progress)
        assert (said.done, said.total, said.note) == (1, 3, "one of three")
        assert all(earlier.at <= later.at for earlier, later in pairwise(seen))
        assert seen[-1].record == await handle.record()
        assert [update.status async for update in handle.watch()] == [JobStatus.SUCCEEDED]


async def test_who_watches_sees_that_the_job_is_to_be_cancelled(app, sqs):
    @app.task
    async def job() -> None:
        await asyncio.sleep(60)

    async with app, working(app, sqs):
        handle = await job.enqueue()
        seen = []
        async with handle.watch() as updates:
            async for update in updates:
                seen.append((update.status, update.cancelling))
                if seen[-1] == (JobStatus.RUNNING, False):
                    assert await handle.cancel() is JobStatus.RUNNING
        assert seen[-2:] == [(JobStatus.RUNNING, True), (JobStatus.CANCELLED, False)]
        with pytest.raises(JobCancelled):
            await handle.result()


async def test_an_unknown_job_cannot_be_watched(app):
    async with app:
        with pytest.raises(UnknownJob):
            await anext(app.job(new_job_id()).watch())


# Waiting for several ------------------------------------------------------------------------------------


async def test_several_jobs_are_waited_for_together(app, sqs, double):
    async with app:
        jobs = [await double.enqueue(n) for n in (3, -1, 5)]
        ended, others = await app.wait(jobs, timeout=0.05)
        assert (ended, others) == ([], jobs)
        async with working(app, sqs):
            ended, others = await app.wait(jobs, timeout=timedelta(seconds=20))
        assert (set(ended), others) == (set(jobs), [])
        assert await jobs[0].result(timeout=0) == 6
        with pytest.raises(JobFailed, match="negative"):
            await jobs[1].result(timeout=0)


async def test_the_first_jobs_that_end_are_enough(app, sqs):
    order = {n: asyncio.Event() for n in range(3)}

    @app.task
    async def job(n: int) -> int:
        await order[n].wait()
        return n

    async with app, working(app, sqs):
        jobs = [await job.enqueue(n) for n in range(3)]
        order[1].set()
        assert await app.wait(jobs, first=1) == ([jobs[1]], [jobs[0], jobs[2]])
        order[2].set()
        ended, (last,) = await app.wait(jobs, first=2)
        assert (set(ended), last) == ({jobs[1], jobs[2]}, jobs[0])
        assert await app.wait(jobs, first=0) == ([], jobs)
        assert await app.wait([]) == ([], [])
        with pytest.raises(ConfigurationError, match="first"):
            await app.wait(jobs, first=-1)
        order[0].set()


async def test_an_unknown_job_is_not_waited_for(app, double):
    async with app:
        with pytest.raises(UnknownJob):
            await app.wait([await double.enqueue(1), app.job(new_job_id())])


# Lists --------------------------------------------------------------------------------------------------


async def test_jobs_are_listed_newest_first(app, double):
    @app.task
    async def other() -> None: ...

    async with app:
        before = datetime.now(UTC)
        jobs = [await double.enqueue(n) for n in range(5)]
        await other.enqueue()
        await jobs[0].cancel()

        async def ids(**query):
            return [record.id for record in (await app.jobs(**query)).items]

        assert await ids(task=double) == [job.id for job in reversed(jobs)]
        assert await ids(task="double", status="cancelled") == [jobs[0].id]
        assert len(await ids(since=before)) == 6
        assert await ids(since=datetime.now(UTC) + timedelta(hours=1)) == []
        page = await app.jobs(task=double, limit=3)
        rest = await app.jobs(task=double, limit=3, cursor=page.cursor)
        assert [record.id for record in (*page.items, *rest.items)] == [job.id for job in reversed(jobs)]
        assert rest.cursor is None


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"status": "waiting"}, "scheduled, queued, running"),
        ({"since": datetime(2026, 1, 1)}, "time zone"),
        ({"limit": 0}, "from 1 to 1000"),
        ({"cursor": "none of ours"}, "page before"),
    ],
)
async def test_a_list_that_cannot_be_is_refused(app, wrong, hint):
    async with app:
        with pytest.raises(ConfigurationError, match=hint):
            await app.jobs(**wrong)


# Cancelling ---------------------------------------------------------------------------------------------


async def test_a_cancelled_job_never_runs_and_one_that_has_ended_says_so(app, sqs, double):
    async with app:
        waiting, ended = await double.enqueue(1), await double.enqueue(2)
        assert await waiting.cancel() is JobStatus.CANCELLED
        async with working(app, sqs):
            assert await ended.result(timeout=20) == 4
            while sqs.peek("default"):
                await asyncio.sleep(0.01)
        assert await ended.cancel() is JobStatus.SUCCEEDED
        assert (await waiting.record()).attempts == 0
        with pytest.raises(UnknownJob):
            await app.job(new_job_id()).cancel()


async def test_where_only_ends_are_recorded_nothing_can_be_cancelled(app, sqs, double):
    app.configure(tracking="result")
    async with app:
        with pytest.raises(NoJobStore, match=r'cancel\(\) \(with tracking "full" or "worker"\)'):
            await (await double.enqueue(1)).cancel()


# Sending again ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", ["default", "ordered.fifo"])
async def test_a_job_that_failed_is_sent_again_as_it_was(app, sqs, queue):
    """Same id, arguments, headers and group; a new epoch, and so a new deduplication id on FIFO."""
    seen = []

    @app.task(queue=queue)
    async def job(name: str) -> str:
        me = current_job()
        seen.append((me.id, name, me.headers["trace"], me.group, me.attempt))
        if len(seen) == 1:
            raise Reject("not today")
        return name.upper()

    async with app, working(app, sqs, queue):
        handle = await job.using(group="g", headers={"trace": "7"}).enqueue("a")
        with pytest.raises(JobFailed):
            await handle.result(timeout=20)
        before = await handle.record()
        await handle.retry()
        assert await handle.result(timeout=20) == "A"
        after = await handle.record()
    assert seen == [(handle.id, "a", "7", "g", 1)] * 2
    assert after.epoch > before.epoch
    assert [attempt.outcome for attempt in after.history] == ["rejected", "succeeded"]


async def test_a_cancelled_job_is_sent_again(app, sqs, double):
    """Though its first message may still be in the queue: it runs once."""
    async with app:
        job = await double.enqueue(4)
        await job.cancel()
        await job.retry()
        assert await job.status() is JobStatus.QUEUED
        async with working(app, sqs):
            assert await job.result(timeout=20) == 8
            while sqs.peek("default"):
                await asyncio.sleep(0.01)
        assert (await job.record()).attempts == 1


async def test_what_cannot_be_sent_again_says_why(app, sqs, double):
    async with app:
        job = await double.enqueue(1)
        with pytest.raises(CannotRetry, match="it is queued"):
            await job.retry()
        async with working(app, sqs):
            await job.result(timeout=20)
        with pytest.raises(CannotRetry, match="it has succeeded"):
            await job.retry()
        with pytest.raises(UnknownJob):
            await app.job(new_job_id()).retry()


async def test_of_two_who_send_a_job_again_one_does(app, sqs, double):
    async with app:
        job = await double.enqueue(1)
        await job.cancel()
        answers = await asyncio.gather(*(job.retry() for _ in range(8)), return_exceptions=True)
    assert answers.count(None) == 1
    assert all(answer is None or isinstance(answer, CannotRetry) for answer in answers)
    assert len(sqs.peek("default")) == 2


async def test_envelopes_are_kept_only_where_they_may_be(sqs):
    """None at all where the app says so, and none that are large."""
    for keep, size in ((False, 10), (True, 70_000)):
        app = App(
            "tests", transport=MemoryTransport(sqs, create_missing=True), store=MemoryStore(), keep_envelopes=keep
        )

        @app.task
        async def job(text: str) -> None: ...

        async with app:
            handle = await job.enqueue("x" * size)
            assert (await handle.record()).envelope is None
            await handle.cancel()
            with pytest.raises(CannotRetry, match="sqsjobs dlq redrive"):
                await handle.retry()
            assert await handle.status() is JobStatus.CANCELLED


async def test_a_sealed_job_is_kept_sealed_and_sealed_anew(app, sqs):
    """What is on the wire is what is kept; a job whose seal has expired meanwhile gets a new one."""
    signing = Signing([HmacKey("k1", canary_key("JOBS"))], require_signature=True)
    app = App(
        "tests",
        transport=MemoryTransport(sqs, create_missing=True),
        store=MemoryStore(),
        signing=signing,
        allow_no_dlq=True,
    )

    @app.task
    async def job() -> int:
        return 7

    async with app:
        handle = await job.enqueue()
        (first,) = sqs.peek("default")
        assert (await handle.record()).envelope == first.body
        await handle.cancel()
        await handle.retry()
        assert sqs.peek("default")[1].body != first.body
        async with working(app, sqs):
            assert await handle.result(timeout=20) == 7


async def test_the_dead_letter_of_a_job_that_sqs_refused_still_runs():
    """It is the only copy, and knows the epoch of the failure: sent back by AWS's console it opens its job again."""
    transport = ScriptedTransport()
    app = App("tests", transport=transport, store=MemoryStore())
    runs = []

    @app.task(retry=Retry(max_attempts=1))
    async def job() -> None:
        current_job().progress(1, 2)
        runs.append(current_job().id)
        if len(runs) == 1:
            raise ValueError

    async with app:
        handle = await job.enqueue()
        await app.worker(burst=True, wait=0).run()
        before = await handle.record()
        transport.script.append(refuses(0, retryable=False))
        with pytest.raises(EnqueueRejected):
            await handle.retry()
        assert await handle.record() == before
        async with MemoryTransport(transport.sqs) as console:
            (letter,) = await console.receive("default-dlq", limit=1, wait=0, visibility=30)
            await console.send("default", [OutgoingMessage(letter.body, attributes=letter.attributes)])
        await app.worker(burst=True, wait=0).run()
        assert await handle.status() is JobStatus.SUCCEEDED
    assert runs == [handle.id] * 2


async def test_a_caller_who_is_cancelled_leaves_no_job_queued_without_a_message(app, sqs, double, monkeypatch):
    """Between the record and the message: both are done, or neither."""
    reopened, gate = asyncio.Event(), asyncio.Event()

    reopen = MemoryStore.reopen

    async def slow(*asked):
        answer = await reopen(*asked)
        reopened.set()
        await gate.wait()
        return answer

    monkeypatch.setattr(MemoryStore, "reopen", slow)
    async with app:
        job = await double.enqueue(2)
        await job.cancel()
        retrying = asyncio.create_task(job.retry())
        await reopened.wait()
        retrying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await retrying
        gate.set()
    assert len(sqs.peek("default")) == 2


async def test_who_lost_the_message_cancels_before_sending_again(app, sqs, double):
    """What CannotRetry says is what works."""
    async with app:
        job = await double.enqueue(2)
        async with MemoryTransport(sqs) as other:
            (message,) = await other.receive("default", limit=1, wait=0, visibility=30)
            await other.delete("default", [message.receipt_handle])
        with pytest.raises(CannotRetry, match=r"cancel\(\) it before"):
            await job.retry()
        await job.cancel()
        await job.retry()
        async with working(app, sqs):
            assert await job.result(timeout=20) == 4


async def test_a_job_that_sqs_refuses_is_as_it_was():
    store = MemoryStore()
    transport = ScriptedTransport()
    app = App("tests", transport=transport, store=store)

    @app.task
    async def job() -> None: ...

    async with app:
        handle = await job.enqueue()
        await handle.cancel()
        transport.script.append(refuses(0, retryable=False))
        with pytest.raises(EnqueueRejected):
            await handle.retry()
        assert await handle.status() is JobStatus.CANCELLED
        await handle.retry()
        assert await handle.status() is JobStatus.QUEUED


# Without an event loop ----------------------------------------------------------------------------------


def test_everything_works_without_an_event_loop(app, sqs, double):
    """A worker beside it in a thread; nobody opens the app here."""
    job, failing = double.enqueue_sync(4), double.enqueue_sync(-1)
    assert (job.status_sync(), job.record_sync().task) == (JobStatus.QUEUED, "double")
    with pytest.raises(ResultTimeout):
        job.result_sync(timeout=0.05)
    with working_in_a_thread(app, sqs):
        assert job.result_sync(timeout=20) == 8
        with pytest.raises(JobFailed, match="negative"):
            failing.result_sync(timeout=20)
    assert job.cancel_sync() is JobStatus.SUCCEEDED
    failing.retry_sync()
    assert failing.cancel_sync() is JobStatus.CANCELLED


def test_several_jobs_are_waited_for_without_an_event_loop(app, sqs, double):
    jobs = [double.enqueue_sync(n) for n in (3, -1, 5)]
    assert app.wait_sync(jobs, timeout=0.05) == ([], jobs)
    with working_in_a_thread(app, sqs):
        ended, others = app.wait_sync((job for job in jobs), timeout=timedelta(seconds=20))
    assert (set(ended), others) == (set(jobs), [])
    assert app.wait_sync(jobs, first=0) == ([], jobs)
    with pytest.raises(ConfigurationError, match="first"):
        app.wait_sync(jobs, first=-1)
    with pytest.raises(UnknownJob):
        app.wait_sync([app.job(new_job_id())])


def test_jobs_are_listed_without_an_event_loop(app, double):
    jobs = [double.enqueue_sync(n) for n in range(3)]
    jobs[1].cancel_sync()
    page = app.jobs_sync(task=double, limit=2)
    rest = app.jobs_sync(task=double, limit=2, cursor=page.cursor)
    assert [record.id for record in (*page.items, *rest.items)] == [job.id for job in reversed(jobs)]
    assert [record.id for record in app.jobs_sync(status="cancelled").items] == [jobs[1].id]
    with pytest.raises(ConfigurationError, match="from 1 to 1000"):
        app.jobs_sync(limit=0)


async def test_the_twins_without_a_loop_say_so_in_one(app, double):
    job = app.job(new_job_id())
    for method in (job.status_sync, job.result_sync, job.cancel_sync, job.retry_sync, job.record_sync):
        with pytest.raises(ConfigurationError, match=rf"{method.__name__}.*would block"):
            method()
    with pytest.raises(ConfigurationError, match=r"wait_sync.*would block"):
        app.wait_sync([job])
    with pytest.raises(ConfigurationError, match=r"jobs_sync.*would block"):
        app.jobs_sync()


@pytest.fixture
def ctrl_c():
    """Python's own handler of SIGINT, which a process that was started in the background has not got."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupted_wait_is_given_up(app, double):
    """Ctrl-C in result_sync leaves nothing waiting behind it."""
    job = double.enqueue_sync(1)
    followed = app._portal._thread._session._reader._subjects

    def interrupt_once_it_waits():
        until(lambda: followed)
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt_once_it_waits)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        job.result_sync(timeout=20)
    interrupting.join()
    until(lambda: not followed)


def until(holds):
    """Wait for what another thread does."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class working_in_a_thread:  # noqa: N801 - it is used as a function
    """Run a worker in a thread's own loop beside the block."""

    def __init__(self, app, sqs) -> None:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()))
        self._app, self._sqs = app, sqs
        self._started = threading.Event()

    def __enter__(self):
        self._thread.start()
        assert self._started.wait(10)

    def __exit__(self, *exc_info):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    async def _work(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._app, working(self._app, self._sqs):
            self._started.set()
            await self._stop.wait()
