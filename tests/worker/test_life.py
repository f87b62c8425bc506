"""The life of a message in a worker: what follows from every way in which a run can end."""

from __future__ import annotations

import asyncio
import sys
from itertools import pairwise

import pytest
from tests.worker.virtual import virtually

from sqsjobs import Discard, Reject, Retry, RetryAfter, Snooze, constant, current_job
from sqsjobs import events as ev
from sqsjobs.job import JobStatus
from sqsjobs.outcome import Failed, Interrupted, Snoozed, Succeeded, TimedOut

TWICE = Retry(max_attempts=2, backoff=constant(5, jitter=0))
THRICE = Retry(max_attempts=3, backoff=constant(5, jitter=0))


@virtually
async def test_a_job_that_succeeds_is_recorded_and_deleted(rig):
    """Side effect, then the stored result, then the delete."""

    @rig.task()
    async def add(a: int, b: int) -> int:
        return a + b

    job_id = await rig.send(add, a=1, b=2)
    assert await rig.drain()
    record = await rig.record(job_id)
    assert (record.status, record.result, record.attempts, record.epoch) == (JobStatus.SUCCEEDED, b"3", 1, 1)
    assert rig.messages() == []
    settled = rig.events.one(ev.JobSettled)
    assert isinstance(settled.outcome, Succeeded)
    assert settled.disposition == "delete"


@virtually
async def test_the_events_of_a_life_come_in_its_order(rig):
    """Delivered, started, ended, settled."""

    @rig.task()
    async def noop() -> None: ...

    await rig.send(noop)
    await rig.drain()
    life = (ev.JobDelivered, ev.JobStarted, ev.JobEnded, ev.JobSettled)
    assert [type(event) for event in rig.events.all if isinstance(event, life)] == list(life)


@virtually
async def test_a_failed_job_is_hidden_for_its_backoff_and_tried_again(rig):
    """The retry is a visibility change: atomic, and of the same message."""
    starts: list[float] = []

    @rig.task(retry=THRICE)
    async def flaky() -> str:
        starts.append(rig.clock.now())
        if len(starts) < 3:
            raise ValueError(len(starts))
        return "at last"

    job_id = await rig.send(flaky)
    async with rig.working():
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "hide")
        between = await rig.record(job_id)
        assert (between.status, between.attempts) == (JobStatus.RETRYING, 1)
        assert between.failure.type == "builtins.ValueError"
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
    record = await rig.record(job_id)
    assert (record.status, record.attempts, record.failure) == (JobStatus.SUCCEEDED, 3, None)
    assert all(5 <= later - earlier < 8 for earlier, later in pairwise(starts))
    assert len({event.message_id for event in rig.events.of(ev.JobSettled)}) == 1


@virtually
async def test_the_last_failure_dead_letters_the_job(rig):
    """An annotated copy is in the dead-letter queue, the record says so, the message is gone."""

    @rig.task(retry=TWICE)
    async def hopeless(name: str) -> None:
        raise ValueError(f"no {name}")

    job_id = await rig.send(hopeless, name="way")
    async with rig.working():
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "deadletter")
    annotation = rig.dead_letter()
    assert (annotation.reason, annotation.task, annotation.job_id) == ("exhausted", "hopeless", job_id)
    assert (annotation.error_type, annotation.error) == ("builtins.ValueError", "no way")
    assert (annotation.attempts, annotation.queue, annotation.worker) == (2, "work", "w1")
    assert len(annotation.fingerprint) == 12
    record = await rig.record(job_id)
    assert (record.status, record.dead_lettered, record.attempts) == (JobStatus.FAILED, True, 2)
    assert "no way" in record.failure.traceback
    assert rig.messages() == []
    assert rig.events.one(ev.DeadLettered).reason == "exhausted"


@virtually
async def test_the_errors_text_is_left_out_where_the_app_says_so(rig):
    """`annotate_errors=False` keeps personal data that errors quote out of the dead-letter queue."""

    @rig.task(retry=Retry(max_attempts=1))
    async def leaky() -> None:
        raise ValueError("correct-horse-battery-staple")

    await rig.send(leaky)
    await rig.drain(annotate_errors=False)
    assert rig.dead_letter().error == ""
    assert rig.dead_letter().error_type == "builtins.ValueError"


@virtually
async def test_an_error_that_the_task_gives_up_on_is_final(rig):
    """No second attempt follows, however many are left."""

    @rig.task(retry=Retry(max_attempts=9, give_up_on=(KeyError,)))
    async def lookup() -> None:
        raise KeyError("gone")

    await rig.send(lookup)
    await rig.drain()
    assert (rig.dead_letter().reason, rig.dead_letter().attempts) == ("failed", 1)


@virtually
async def test_an_exhausted_job_may_be_discarded(rig):
    """`on_exhausted="discard"` deletes the message; the record still says failed, and not dead-lettered."""

    @rig.task(retry=Retry(max_attempts=1), on_exhausted="discard")
    async def best_effort() -> None:
        raise ValueError

    job_id = await rig.send(best_effort)
    await rig.drain()
    record = await rig.record(job_id)
    assert (record.status, record.dead_lettered) == (JobStatus.FAILED, False)
    assert rig.messages() == rig.messages("work-dlq") == []


@virtually
async def test_a_snooze_burns_no_attempt(rig):
    """R40: own counters; the job runs again after its delay as if it had not been started."""
    attempts: list[int] = []

    @rig.task(retry=Retry(max_attempts=1))
    async def patient() -> None:
        attempts.append(current_job().attempt)
        if len(attempts) < 4:
            raise Snooze(30)

    job_id = await rig.send(patient)
    began = rig.clock.now()
    async with rig.working():
        await rig.events.wait(ev.JobEnded, lambda e: isinstance(e.outcome, Snoozed))
        await asyncio.sleep(1)
        assert (await rig.record(job_id)).status is JobStatus.QUEUED
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
    assert attempts == [1, 1, 1, 1]
    assert 90 <= rig.clock.now() - began < 100
    assert (await rig.record(job_id)).attempts == 1


@virtually
async def test_retry_after_takes_its_own_delay_and_burns_an_attempt(rig):
    """In place of the backoff; when the attempts are used up, its note is in the dead letter."""

    @rig.task(retry=TWICE)
    async def throttled() -> None:
        raise RetryAfter(120, "429 Too Many Requests")

    job_id = await rig.send(throttled)
    began = rig.clock.now()
    async with rig.working():
        await rig.events.wait(ev.DeadLettered)
    assert 120 <= rig.clock.now() - began < 130
    assert rig.dead_letter().error == "429 Too Many Requests"
    assert (await rig.record(job_id)).attempts == 2


@virtually
async def test_discard_ends_the_job_without_a_dead_letter(rig):
    @rig.task()
    async def outdated() -> None:
        raise Discard("nobody wants it any more")

    job_id = await rig.send(outdated)
    await rig.drain()
    assert (await rig.record(job_id)).status is JobStatus.DISCARDED
    assert rig.messages() == rig.messages("work-dlq") == []


@virtually
async def test_reject_dead_letters_whatever_attempts_are_left(rig):
    @rig.task()
    async def refuse() -> None:
        raise Reject("the image is forbidden")

    job_id = await rig.send(refuse)
    await rig.drain()
    assert (rig.dead_letter().reason, rig.dead_letter().error) == ("rejected", "the image is forbidden")
    record = await rig.record(job_id)
    assert (record.status, record.failure.type) == (JobStatus.FAILED, "sqsjobs.Reject")


@pytest.mark.parametrize("text", ["\ud800", "\x00\x1b[31m\r\n", "é" * 5000, "\ufffe\uffff", "😀" * 300])
@virtually
async def test_any_text_of_an_error_gets_into_the_dead_letter(rig, text):
    """What SQS, UTF-8 or the annotation's 2 KiB cannot hold must not keep a job from being dead-lettered."""

    @rig.task(retry=Retry(max_attempts=1))
    async def odd() -> None:
        raise ValueError(text)

    @rig.task()
    async def odder() -> None:
        raise Reject(text)

    await rig.send(odd)
    await rig.send(odder)
    await rig.drain()
    assert {annotation.reason for _, annotation in rig.dead_letters()} == {"exhausted", "rejected"}
    assert rig.messages() == []


@virtually
async def test_a_timeout_cancels_a_coroutine_and_is_retried(rig):
    """R11: it has time to clean up, and the attempt counts."""
    cleaned_up = []

    @rig.task(timeout=3, retry=TWICE)
    async def endless() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            cleaned_up.append(rig.clock.now())

    await rig.send(endless)
    async with rig.working():
        await rig.events.wait(ev.DeadLettered)
    assert rig.events.of(ev.JobEnded)[0].outcome == TimedOut(3)
    assert len(cleaned_up) == 2
    assert rig.dead_letter().error_type == "builtins.TimeoutError"


@virtually
async def test_an_error_raised_while_a_timed_out_job_cleans_up_is_a_timeout(rig):
    """What a job raises because it was cancelled says less than why it was."""

    @rig.task(timeout=3)
    async def clumsy() -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            raise RuntimeError("connection reset") from None

    await rig.send(clumsy)
    async with rig.working():
        ended = await rig.events.wait(ev.JobEnded)
    assert ended.outcome == TimedOut(3)


@virtually
async def test_system_exit_in_a_job_is_a_failure_of_the_job(rig):
    """`sys.exit` must neither end the worker nor count as final: a library may call it on a bad day."""

    @rig.task(retry=TWICE)
    async def leaving() -> None:
        sys.exit(3)

    job_id = await rig.send(leaving)
    async with rig.working():
        await rig.events.wait(ev.DeadLettered)
    assert (await rig.record(job_id)).attempts == 2
    assert rig.dead_letter().error_type == "builtins.SystemExit"


@virtually
async def test_a_cancellation_that_nobody_asked_for_is_a_failure(rig):
    """A job that awaits something cancelled did fail; taken for an interruption it would come back for ever."""

    @rig.task(retry=TWICE)
    async def careless() -> None:
        inner = asyncio.ensure_future(asyncio.sleep(100))
        asyncio.get_running_loop().call_soon(inner.cancel)
        await inner

    await rig.send(careless)
    async with rig.working():
        await rig.events.wait(ev.DeadLettered)
    outcomes = [event.outcome for event in rig.events.of(ev.JobEnded)]
    assert [type(outcome) for outcome in outcomes] == [Failed, Failed]
    assert rig.dead_letter().error_type == "asyncio.exceptions.CancelledError"


@virtually
async def test_a_job_that_swallows_its_cancellation_has_succeeded(rig):
    """It ran to its end; that it was asked to stop does not change what it returned."""

    @rig.task(timeout=3)
    async def stubborn() -> str:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            return "done all the same"
        return "never"

    job_id = await rig.send(stubborn)
    await rig.drain()
    assert (await rig.record(job_id)).result == b'"done all the same"'


@virtually
async def test_results_that_cannot_be_recorded_are_not_retried(rig):
    """R51: the side effects have happened; to run it again would not mend the result."""
    starts = []

    @rig.task()
    async def unserializable():
        starts.append(1)
        return object()

    job_id = await rig.send(unserializable)
    await rig.drain()
    record = await rig.record(job_id)
    assert (record.status, record.failure.type) == (JobStatus.FAILED, "sqsjobs.ResultNotEncodable")
    assert len(starts) == 1


@virtually
async def test_a_result_that_is_too_large_is_recorded_as_that(rig):
    """R50: a recorded outcome, not a loop."""
    starts = []

    @rig.task()
    async def wordy() -> str:
        starts.append(1)
        return "x" * 2000

    job_id = await rig.send(wordy)
    await rig.drain(result_bytes=1000)
    record = await rig.record(job_id)
    assert (record.status, record.failure.type) == (JobStatus.FAILED, "sqsjobs.ResultTooLarge")
    assert len(starts) == 1


@virtually
async def test_without_a_store_nobody_minds_what_a_job_returns(rig):
    """R51: nothing is recorded, so nothing is encoded."""
    rig.store = None

    @rig.task()
    async def unserializable():
        return object()

    await rig.send(unserializable)
    await rig.drain()
    assert isinstance(rig.events.one(ev.JobEnded).outcome, Succeeded)


@virtually
async def test_without_a_store_the_receive_count_is_the_attempt(rig):
    """Attempts are exhausted by it, and the dead letter says how many there were."""
    rig.store = None
    attempts = []

    @rig.task(retry=THRICE)
    async def hopeless() -> None:
        attempts.append(current_job().attempt)
        raise ValueError

    await rig.send(hopeless)
    async with rig.working():
        await rig.events.wait(ev.DeadLettered)
    assert attempts == [1, 2, 3]
    assert rig.dead_letter().attempts == 3


@virtually
async def test_without_a_store_deliveries_beyond_all_forgiveness_are_dead_lettered_unrun(rig):
    """Past max_attempts + 10 deliveries the message has been released or lost too often to be tried again."""
    rig.store = None
    starts = []

    @rig.task(retry=Retry(max_attempts=1))
    async def unlucky() -> None:
        starts.append(1)

    await rig.send(unlucky)
    for _ in range(11):
        await rig.transport.receive("work", limit=1, wait=0, visibility=0)
    await rig.drain()
    assert starts == []
    assert rig.dead_letter().reason == "exhausted"


@virtually
async def test_a_retry_beyond_the_ceiling_is_sent_anew(rig):
    """R43: more than an hour would fill the in-flight quota; the message is sent again, then deleted."""
    starts = []

    @rig.task(retry=THRICE)
    async def later() -> None:
        starts.append(rig.clock.now())
        if len(starts) == 1:
            raise RetryAfter(7200)

    job_id = await rig.send(later)
    async with rig.working(wait=20):
        settled = await rig.events.wait(ev.JobSettled)
        assert (settled.disposition, settled.delay) == ("resend", 7200)
        assert (await rig.record(job_id)).status is JobStatus.RETRYING
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete", within=10_000)
    assert 7200 - 1 <= starts[1] - starts[0] < 7230
    assert (await rig.record(job_id)).attempts == 2
    assert rig.messages() == []


@virtually
async def test_a_message_sent_anew_carries_its_attempts_where_no_store_counts_them(rig):
    """Its receive count begins at 1 again, and with it the attempts would."""
    rig.store = None
    attempts = []

    @rig.task(retry=THRICE)
    async def later() -> None:
        attempts.append(current_job().attempt)
        raise RetryAfter(4000)

    await rig.send(later)
    async with rig.working(wait=20):
        await rig.events.wait(ev.DeadLettered)
    assert attempts[0] == 1
    assert attempts == sorted(set(attempts))
    assert len(attempts) <= 3


@virtually
async def test_a_fault_of_the_backoff_does_not_lose_the_retry(rig):
    """A backoff of the user's own may raise, or give nonsense; the default one takes its place."""

    class Broken:
        def delay(self, attempt, random):
            return [float("nan"), -5.0, float("inf"), 1 / 0][attempt - 1]

    @rig.task(retry=Retry(max_attempts=5, backoff=Broken()))
    async def failing() -> None:
        raise ValueError

    await rig.send(failing)
    async with rig.working():
        await rig.events.wait(ev.DeadLettered)
    delays = [event.delay for event in rig.events.of(ev.JobSettled, lambda e: e.disposition == "hide")]
    assert len(delays) == 4
    assert all(0 <= delay <= 900 for delay in delays)


@virtually
async def test_a_fault_in_reading_a_message_is_tried_again_and_ends(rig):
    """An argument's own code may raise anything; each delivery counts as an attempt, and it does not go on for ever."""

    class Trap:
        def decode_arguments(self, raw):
            raise KeyError("a dataclass with a trap in __post_init__")

    @rig.task(retry=THRICE)
    async def trapped() -> None: ...

    job_id = await rig.send(trapped)
    trapped.codec = Trap()
    async with rig.working():
        await rig.events.wait(ev.DeadLettered)
    assert rig.dead_letter().error_type == "builtins.KeyError"
    assert (await rig.record(job_id)).status is JobStatus.FAILED


@virtually
async def test_an_interrupted_job_is_no_failure(rig):
    """R4: stopped in the middle, it is queued again with its attempt given back, and visible a second later."""

    @rig.task()
    async def long() -> None:
        await asyncio.sleep(1000)

    job_id = await rig.send(long)
    async with rig.working(grace=5) as worker:
        await rig.events.wait(ev.JobStarted)
        worker.stop()
        await rig.events.wait(ev.WorkerStopped)
    assert rig.events.one(ev.JobEnded).outcome == Interrupted(1.0)
    record = await rig.record(job_id)
    assert (record.status, record.attempts, record.crashes, record.lease_until) == (JobStatus.QUEUED, 0, 0, None)
    await asyncio.sleep(1)
    assert rig.in_flight() == 0
