"""Functions on the loop and in threads: contexts, middleware, timeouts, and what is told of failures."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest
from tests.worker.virtual import virtually

from sqsjobs import LeaseState, Retry, Snooze, current_job
from sqsjobs import events as ev
from sqsjobs.job import JobStatus
from sqsjobs.outcome import Failed, Succeeded, TimedOut

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


# Contexts -----------------------------------------------------------------------------------------------


async def test_a_job_knows_itself_in_a_coroutine_in_a_thread_and_in_what_they_call(rig):
    """By a context variable, so that it travels by itself."""
    seen = {}

    def note(where: str) -> None:
        seen[where] = current_job()

    @rig.task(timeout=30)
    async def coroutine() -> None:
        note("coroutine")
        await asyncio.gather(asyncio.to_thread(note, "its thread"), asyncio.create_task(_noted(note, "its task")))

    @rig.task(timeout=30)
    def thread() -> None:
        note("thread")

    headers = {"traceparent": "00-1-2-03"}
    coroutine_id = await rig.send(coroutine, headers=headers, group="tenant-7")
    thread_id = await rig.send(thread)
    async with rig.working():
        await rig.events.wait(ev.JobSettled, count=2)
    assert {where: job.id for where, job in seen.items()} == {
        "coroutine": coroutine_id,
        "its thread": coroutine_id,
        "its task": coroutine_id,
        "thread": thread_id,
    }
    job = seen["coroutine"]
    assert (job.task, job.queue, job.attempt, job.group, job.fencing_token) == ("coroutine", "work", 1, "tenant-7", 1)
    assert dict(job.headers) == headers
    assert job.enqueued_at == pytest.approx(rig.clock.wall(), abs=30)
    assert 0 < seen["thread"].deadline - rig.clock.now() <= 30
    with pytest.raises(LookupError):
        current_job()


async def _noted(note, where):
    note(where)


@virtually
async def test_jobs_do_not_see_each_others_contexts(rig):
    """What a job sets is gone with it, on the loop."""
    seen = []

    @rig.task()
    async def job(n: int) -> None:
        seen.append(user.get())
        user.set(f"user {n}")
        await asyncio.sleep(1)

    await rig.send_many(job, 10)
    await rig.drain(concurrency=2)
    assert seen == ["nobody"] * 10


# Middleware ----------------------------------------------------------------------------------------------


@virtually
async def test_middleware_wraps_every_attempt_the_first_outermost(rig):
    """What it returns is the result; it sees what the function raised, steering included."""
    told = []

    def named(name):
        async def middleware(job, call_next):
            told.append(f"{name} in")
            try:
                return f"{name}({await call_next()})"
            except Snooze:
                told.append(f"{name} saw a wish")
                raise
            finally:
                told.append(f"{name} out")

        return middleware

    @rig.task()
    async def job() -> str:
        told.append("job")
        if current_job().attempt and len(told) < 5:
            raise Snooze(1)
        return "x"

    job_id = await rig.send(job)
    async with rig.working(middleware=[named("a"), named("b")]):
        await rig.events.wait(ev.JobSettled, lambda e: isinstance(e.outcome, Succeeded))
    once = ["a in", "b in", "job", "b out", "a out"]
    assert told == ["a in", "b in", "job", "b saw a wish", "b out", "a saw a wish", "a out", *once]
    assert (await rig.record(job_id)).result == b'"a(b(x))"'


@virtually
async def test_middleware_may_answer_by_itself_or_fail(rig):
    @rig.task(retry=Retry(max_attempts=1))
    async def job(n: int) -> str:
        raise AssertionError("not called")

    async def gate(context, call_next):
        if len(rig.events.of(ev.JobStarted)) == 1:
            return "cached"
        raise PermissionError("no")

    jobs = await rig.send_many(job, 2)
    await rig.drain(middleware=[gate], concurrency=1)
    assert (await rig.record(jobs[0])).result == b'"cached"'
    assert (await rig.record(jobs[1])).failure.type == "builtins.PermissionError"


@virtually
async def test_a_timeout_covers_middleware(rig):
    """One that waits for something that never comes must not hold a slot for ever."""

    async def stuck(job, call_next):
        await asyncio.Event().wait()

    @rig.task(timeout=5)
    async def job() -> None: ...

    await rig.send(job)
    async with rig.working(middleware=[stuck]):
        ended = await rig.events.wait(ev.JobEnded)
    assert ended.outcome == TimedOut(5)


# Threads --------------------------------------------------------------------------------------------------


async def test_plain_functions_run_in_threads_of_their_own(rig):
    """Bounded; their values, errors and wishes come back as those of coroutines do."""
    at_once, most, lock = 0, 0, threading.Lock()
    barrier = threading.Barrier(3, timeout=10)

    @rig.task()
    def job(n: int) -> str:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        barrier.wait()
        with lock:
            at_once -= 1
        if n == 1:
            raise ValueError("one")
        if n == 2:
            raise Snooze(60)
        return threading.current_thread().name

    jobs = await rig.send_many(job, 6)
    async with rig.working(threads=3):
        await rig.events.wait(ev.JobSettled, count=6)
    assert most == 3
    assert b"sqsjobs-job" in (await rig.record(jobs[0])).result
    assert [(await rig.record(jobs[n])).status for n in (1, 2)] == [JobStatus.RETRYING, JobStatus.QUEUED]


async def test_a_timeout_does_not_count_the_wait_for_a_thread(rig):
    """Its deadline is counted from its start, too."""
    first_may_end = threading.Event()

    @rig.task(timeout=0.5)
    def job(n: int) -> float:
        if n == 0:
            first_may_end.wait(0.4)
        deadline = current_job().deadline
        assert deadline is not None
        return deadline - rig.clock.now()

    jobs = await rig.send_many(job, 3)
    async with rig.working(threads=1):
        await rig.events.wait(ev.JobSettled, count=3)
    left = [float((await rig.record(job_id)).result) for job_id in jobs]
    assert 0.3 < left[1] <= 0.5
    assert 0.3 < left[2] <= 0.5


async def test_a_thread_past_its_timeout_keeps_its_slot_and_its_lease_until_it_ends(rig):
    """R11: it is told of, and no second run meets it; when it ends by an error, it has timed out."""
    go_on = threading.Event()

    @rig.task(timeout=0.2)
    def job(fails: bool) -> str:
        go_on.wait(10)
        if fails:
            raise ValueError
        return "after all"

    await rig.send(job, fails=True)
    await rig.send(job, fails=False)
    async with rig.working(visibility=2, concurrency=8):
        await rig.events.wait(ev.JobOverran, count=2)
        await asyncio.sleep(1.5)
        assert [message.receive_count for message in rig.messages()] == [1, 1]
        go_on.set()
        await rig.events.wait(ev.JobSettled, count=2)
    outcomes = {event.job.arguments: event.outcome for event in rig.events.of(ev.JobEnded)}
    assert outcomes[b'{"fails":true}'] == TimedOut(0.2)
    assert outcomes[b'{"fails":false}'] == Succeeded(b'"after all"')


async def test_a_thread_can_see_that_its_lease_is_lost(rig):
    """It cannot be stopped from outside; it can look."""
    lost = threading.Event()

    @rig.task()
    def job() -> None:
        lease = current_job().lease
        while lease.state is LeaseState.HELD:
            lost.wait(0.02)
        lost.set()
        raise RuntimeError("stopped myself")

    await rig.send(job)
    async with rig.working(visibility=2, concurrency=1):
        await rig.events.wait(ev.JobStarted)
        rig.faults.refuse("ChangeMessageVisibilityBatch", times=0)
        settled = await rig.events.wait(ev.JobSettled)
    assert lost.is_set()
    assert settled.disposition == "leave"


async def test_a_stop_iteration_in_a_thread_is_a_failure_like_any_other(rig):
    """No future can carry one."""

    @rig.task(retry=Retry(max_attempts=1))
    def job() -> None:
        next(iter(()))

    await rig.send(job)
    async with rig.working():
        ended = await rig.events.wait(ev.JobEnded)
    assert isinstance(ended.outcome, Failed)
    assert ended.outcome.failure.type == "builtins.RuntimeError"
    assert "StopIteration" in ended.outcome.failure.traceback


# Failures as text -------------------------------------------------------------------------------------------


def _raise(error: Exception) -> None:
    raise error


async def test_a_traceback_begins_with_the_jobs_own_frames(rig):
    """In a coroutine and in a thread: neither the worker's frames nor local variables are in it."""

    @rig.task(retry=Retry(max_attempts=1))
    async def coroutine() -> None:
        secret = "correct-horse"
        _raise(ValueError(len(secret)))

    @rig.task(retry=Retry(max_attempts=1))
    def thread() -> None:
        _raise(ValueError(7))

    await rig.send(coroutine)
    await rig.send(thread)
    async with rig.working():
        await rig.events.wait(ev.JobEnded, count=2)
    for ended in rig.events.of(ev.JobEnded):
        lines = ended.outcome.failure.traceback.splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert f"in {ended.job.task}" in lines[1]
        assert "correct-horse" not in "\n".join(line for line in lines if "secret =" not in line)


@virtually
async def test_fingerprints_tell_failures_apart_by_type_and_place(rig):
    """The same whoever runs it and whatever it says, so that dead letters can be grouped."""

    @rig.task(retry=Retry(max_attempts=1))
    async def here(n: int) -> None:
        _raise(ValueError(n) if n < 2 else KeyError(n))

    @rig.task(retry=Retry(max_attempts=1))
    async def there() -> None:
        _raise(ValueError(0))

    for n in range(3):
        await rig.send(here, n=n)
    await rig.send(there)
    await rig.drain(concurrency=1)
    prints = [event.outcome.failure.fingerprint for event in rig.events.of(ev.JobEnded)]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


@virtually
async def test_an_error_whose_text_cannot_be_read_or_is_endless_is_a_failure_all_the_same(rig):
    class Unreadable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    @rig.task(retry=Retry(max_attempts=1))
    async def unreadable() -> None:
        raise Unreadable

    @rig.task(retry=Retry(max_attempts=1))
    async def endless() -> None:
        raise ValueError("x" * 10**6)

    await rig.send(unreadable)
    await rig.send(endless)
    await rig.drain(concurrency=1)
    first, second = (event.outcome.failure for event in rig.events.of(ev.JobEnded))
    assert first.message == "(the exception has no readable text)"
    assert len(second.message) + len(second.traceback) < 25_000
