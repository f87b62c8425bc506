"""The worker and the job store: claims, crashes, fencing, tracking, and a store that is away."""

from __future__ import annotations

import asyncio

import pytest
from tests.worker.virtual import NOON, virtually

from sqsjobs import Retry, StoreUnavailable, constant, current_job
from sqsjobs import events as ev
from sqsjobs.job import JobStatus
from sqsjobs.outcome import AlreadyEnded, CrashLimitReached, Overdelivered, StoreDown, Succeeded
from sqsjobs.store.base import ClaimRequest, JobRecord
from sqsjobs.store.memory import MemoryStore
from sqsjobs.store.sqlite import SqliteStore

TWICE = Retry(max_attempts=2, backoff=constant(5, jitter=0))


class Away(MemoryStore):
    """A store that does not answer some operations for a while."""

    def __init__(self, clock, *away: str, until: float, after: bool = False) -> None:
        super().__init__(clock=clock)
        self._away = away
        self._until = until
        self._after = after
        self.refused = 0

    async def claim(self, request):
        return await self._answer("claim", super().claim(request))

    async def change(self, job_id, epoch, change):
        return await self._answer("change", super().change(job_id, epoch, change))

    async def extend(self, job_id, epoch, lease_until):
        return await self._answer("extend", super().extend(job_id, epoch, lease_until))

    async def _answer(self, operation, answer):
        if operation not in self._away or self._clock.now() >= self._until:
            return await answer
        self.refused += 1
        if self._after:
            await answer
        else:
            answer.close()
        raise StoreUnavailable("the disk is full")


def crash_once(rig, job_id, *, worker="gone", lease=60.0):
    """Claim a job as a worker that is killed then: the claim is never ended."""
    assert rig.store is not None
    now = rig.clock.wall()
    return rig.store.claim(ClaimRequest(job_id, "job", "work", now, worker, now, now + lease))


# Claims ---------------------------------------------------------------------------------------------------


@virtually
async def test_attempts_are_counted_before_user_code_runs(rig):
    """R10 and the seeded bug "start counter written after the run": the record says running while the job does."""
    seen = []

    @rig.task()
    async def job() -> None:
        record = await rig.record(current_job().id)
        seen.append((record.status, record.attempts, record.epoch, record.worker))
        assert current_job().fencing_token == record.epoch

    await rig.send(job)
    await rig.drain()
    assert seen == [(JobStatus.RUNNING, 1, 1, "w1")]


@virtually
async def test_a_claim_never_outlasts_the_messages_lease_and_moves_with_it(rig):
    """Design section 7: who takes the message over finds the claim over, too."""

    @rig.task()
    async def long() -> None:
        await asyncio.sleep(100)

    job_id = await rig.send(long)
    async with rig.working(visibility=30) as worker:
        await rig.events.wait(ev.JobStarted)
        for _ in range(9):
            (held,) = worker._pipeline.dispatcher.in_hand
            assert (await rig.record(job_id)).lease_until <= NOON + held.lease.deadline + 0.001
            await asyncio.sleep(10)
        assert (await rig.record(job_id)).lease_until > rig.clock.wall() + 10


@virtually
async def test_a_job_that_ended_is_deleted_without_a_claim(rig):
    """R3: redelivered after its result was recorded and before it was deleted."""
    starts = []

    @rig.task()
    async def job() -> None:
        starts.append(1)

    job_id = await rig.send(job)
    await rig.drain()
    await rig.send(job, id=job_id)
    await rig.drain(name="second")
    assert len(starts) == 1
    assert rig.events.of(ev.JobSettled)[-1].outcome == AlreadyEnded(JobStatus.SUCCEEDED)
    assert (await rig.record(job_id)).epoch == 1


@virtually
async def test_a_claim_superseded_in_the_store_ends_the_run(rig):
    """The heart finds at its next beat that another worker has claimed the job, and gives the lease up."""

    @rig.task()
    async def long() -> None:
        await asyncio.sleep(1000)

    job_id = await rig.send(long)
    async with rig.working():
        await rig.events.wait(ev.JobStarted)
        assert rig.store is not None
        now = rig.clock.wall() + 3600
        await rig.store.claim(ClaimRequest(job_id, "long", "work", now, "other", now, now + 60))
        lost = await rig.events.wait(ev.LeaseEnded)
        assert lost.reason == "another worker has claimed the job"
        settled = await rig.events.wait(ev.JobSettled)
        assert settled.disposition == "leave"
    assert (await rig.record(job_id)).worker == "other"


# Crashes --------------------------------------------------------------------------------------------------


@virtually
async def test_a_crash_is_counted_at_the_next_claim(rig):
    """R1 and R10: a worker was killed in the middle; the attempt stays counted, and so does the crash."""

    @rig.task()
    async def job() -> int:
        return current_job().attempt

    job_id = await rig.send(job)
    await crash_once(rig, job_id, lease=1)
    await asyncio.sleep(2)
    await rig.drain()
    record = await rig.record(job_id)
    assert (record.status, record.result, record.crashes, record.attempts) == (JobStatus.SUCCEEDED, b"2", 1, 2)


@virtually
async def test_at_the_crash_limit_a_job_is_dead_lettered_unrun(rig):
    """I11: a pill is contained; its record counts only the starts."""
    starts = []

    @rig.task(retry=Retry(max_attempts=99))
    async def pill() -> None:
        starts.append(1)

    job_id = await rig.send(pill)
    for _ in range(3):
        await crash_once(rig, job_id, lease=1)
        await asyncio.sleep(2)
    await rig.drain(crash_limit=3)
    assert starts == []
    assert rig.events.one(ev.JobSettled).outcome == CrashLimitReached(3)
    assert (rig.dead_letter().reason, rig.dead_letter().attempts) == ("crash-limit", 3)
    record = await rig.record(job_id)
    assert (record.status, record.attempts, record.crashes) == (JobStatus.FAILED, 3, 3)


@virtually
async def test_crashes_use_attempts_up(rig):
    """A job of two attempts that was killed twice is not begun a third time."""
    starts = []

    @rig.task(retry=TWICE)
    async def job() -> None:
        starts.append(1)

    job_id = await rig.send(job)
    for _ in range(2):
        await crash_once(rig, job_id, lease=1)
        await asyncio.sleep(2)
    await rig.drain(crash_limit=10)
    assert starts == []
    assert isinstance(rig.events.one(ev.JobSettled).outcome, Overdelivered)
    assert (rig.dead_letter().reason, rig.dead_letter().attempts) == ("exhausted", 2)
    assert (await rig.record(job_id)).attempts == 2


# A store that is away ---------------------------------------------------------------------------------------


@virtually
async def test_nothing_starts_while_the_store_does_not_answer(rig):
    """R37, R44: fail closed. Messages are given back, polls pause, readiness says so; then all goes on by itself."""
    starts = []

    @rig.task()
    async def job() -> None:
        starts.append(rig.clock.now())

    await rig.send(job)
    began = rig.clock.now()
    async with Away(rig.clock, "claim", until=began + 40) as store, rig.working(store=store) as worker:
        settled = await rig.events.wait(ev.JobSettled)
        assert isinstance(settled.outcome, StoreDown)
        assert 5 <= settled.delay <= 15
        assert rig.events.one(ev.PollPaused).seconds == 5
        polls = rig.faults.made("ReceiveMessage")
        await asyncio.sleep(4.9)
        assert rig.faults.made("ReceiveMessage") == polls
        assert "the disk is full" in worker.health.ready()
        assert worker.health.live() == ""
        await rig.events.wait(ev.JobSettled, lambda e: isinstance(e.outcome, Succeeded))
        assert worker.health.ready() == ""
    assert starts[0] >= began + 40
    assert store.refused <= 10
    assert rig.events.count(ev.StoreFailed) == store.refused


@virtually
async def test_a_store_that_was_away_is_not_held_against_an_idle_worker_for_ever(rig):
    """Nothing is asked of the store while there are no jobs, so its recovery would go unnoticed."""

    @rig.task()
    async def job() -> None: ...

    await rig.send(job)
    async with Away(rig.clock, "claim", until=rig.clock.now() + 4) as store, rig.working(store=store) as worker:
        await rig.events.wait(ev.JobSettled)
        with rig.sqs.use() as model:
            model.account.purge("work")
        assert worker.health.ready() != ""
        await asyncio.sleep(61)
        assert worker.health.ready() == ""


@virtually
async def test_a_result_is_offered_again_while_the_lease_holds(rig):
    """R36: the job is not run again because the store was away for a minute; its lease is kept meanwhile."""
    starts = []

    @rig.task()
    async def job() -> str:
        starts.append(1)
        return "kept"

    job_id = await rig.send(job)
    away = Away(rig.clock, "change", "extend", until=rig.clock.now() + 100)
    async with away as store, rig.working(store=store):
        settled = await rig.events.wait(ev.JobSettled)
        assert settled.disposition == "delete"
        record = await store.get(job_id)
        assert record
        assert (record.status, record.result) == (JobStatus.SUCCEEDED, b'"kept"')
    assert len(starts) == 1
    assert rig.events.count(ev.JobStarted) == 1


@virtually
async def test_a_result_that_the_store_never_takes_is_given_up_and_the_job_run_again(rig):
    """R36: after the grace; at least once."""
    starts = []

    @rig.task()
    async def job() -> None:
        starts.append(rig.clock.now())

    job_id = await rig.send(job)
    away = Away(rig.clock, "change", until=rig.clock.now() + 100)
    async with away as store, rig.working(store=store, result_grace=30):
        given_up = await rig.events.wait(ev.JobSettled)
        assert given_up.disposition == "leave"
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
        record = await store.get(job_id)
        assert record
        assert record is not None
        assert record.status is JobStatus.SUCCEEDED
    assert len(starts) == 2


@virtually
async def test_a_retry_that_is_recorded_after_its_lease_has_ended_touches_no_message(rig):
    """I6 and the seeded bug "visibility 0 with a stale handle": somebody else may have it by then."""

    class Slow(MemoryStore):
        async def change(self, job_id, epoch, change):
            changed = await super().change(job_id, epoch, change)
            await asyncio.sleep(70)
            return changed

    @rig.task()
    async def job() -> None:
        raise ValueError

    await rig.send(job)
    rig.faults.refuse("ChangeMessageVisibilityBatch", times=0)
    async with Slow(clock=rig.clock) as store, rig.working(store=store, concurrency=1) as worker:
        await rig.events.wait(ev.JobEnded)
        worker._pipeline.poller.stop()  # else it would receive the message anew, and go on under that
        await rig.events.wait(ev.LeaseEnded)
        calls = rig.faults.made("ChangeMessageVisibilityBatch")
        settled = await rig.events.wait(ev.JobSettled)
        assert settled.disposition == "leave"
        assert rig.faults.made("ChangeMessageVisibilityBatch") == calls


@virtually
async def test_a_write_whose_answer_was_lost_is_repeated_harmlessly(rig):
    """R38: a claim and a change are conditional on the epoch, so the second time says what the first did."""

    @rig.task()
    async def job() -> str:
        return "once"

    job_id = await rig.send(job)
    away = Away(rig.clock, "change", until=rig.clock.now() + 3, after=True)
    async with away as store, rig.working(store=store):
        settled = await rig.events.wait(ev.JobSettled)
        record = await store.get(job_id)
        assert record
        assert (record.result, record.attempts) == (b'"once"', 1)
    assert settled.disposition == "delete"
    assert store.refused >= 1


@virtually
async def test_a_claim_whose_answer_was_lost_is_no_crash(rig):
    """R38: the same request, made again, gets what the first one got."""

    class Deaf(MemoryStore):
        asked = 0

        async def claim(self, request):
            result = await super().claim(request)
            self.asked += 1
            if self.asked == 1:
                raise StoreUnavailable("the connection was reset")
            return result

    @rig.task()
    async def job() -> None: ...

    job_id = await rig.send(job)
    async with Deaf(clock=rig.clock) as store:
        await rig.drain(store=store)
        record = await store.get(job_id)
        assert record
    assert (record.status, record.attempts, record.crashes) == (JobStatus.SUCCEEDED, 1, 0)


# Tracking ---------------------------------------------------------------------------------------------------


@virtually
async def test_tracking_worker_begins_the_record_with_the_claim(rig):
    """For producers without rights on the store; attempts are counted there all the same."""

    @rig.task(retry=TWICE)
    async def job() -> None:
        raise ValueError

    job_id = await rig.send(job)
    async with rig.working(tracking="worker"):
        await rig.events.wait(ev.DeadLettered)
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "deadletter")
    record = await rig.record(job_id)
    assert (record.status, record.attempts, record.queue) == (JobStatus.FAILED, 2, "work")
    assert record.enqueued_at > NOON


@virtually
async def test_tracking_result_writes_the_end_alone(rig):
    """No claim, so the receive count is the attempt; the first end that is recorded counts."""
    attempts = []

    @rig.task(retry=TWICE)
    async def job() -> int:
        assert rig.store is not None
        assert await rig.store.get(current_job().id) is None
        attempts.append(current_job().attempt)
        if len(attempts) == 1:
            raise ValueError
        return 7

    @rig.task(retry=Retry(max_attempts=1))
    async def failing() -> None:
        raise ValueError

    job_id, failed_id = await rig.send(job), await rig.send(failing)
    async with rig.working(tracking="result"):
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition in ("delete", "deadletter"), count=2)
    record = await rig.record(job_id)
    assert (record.status, record.result, record.attempts, record.epoch) == (JobStatus.SUCCEEDED, b"7", 2, 0)
    assert attempts == [1, 2]
    assert (await rig.record(failed_id)).dead_lettered


@virtually
async def test_tracking_off_writes_nothing(rig):
    @rig.task()
    async def job() -> int:
        return current_job().fencing_token

    job_id = await rig.send(job)
    await rig.drain(tracking="off")
    assert rig.store is not None
    assert await rig.store.get(job_id) is None
    assert rig.events.one(ev.JobEnded).outcome == Succeeded(None)


@pytest.mark.parametrize("status", [JobStatus.SCHEDULED, JobStatus.QUEUED])
@virtually
async def test_a_record_that_the_producer_wrote_is_gone_on_with(rig, status):
    """Also one that is not due yet: the message is hidden until then."""
    starts = []

    @rig.task()
    async def job() -> None:
        starts.append(rig.clock.wall())

    due = rig.clock.wall() + 50 if status is JobStatus.SCHEDULED else None
    made = rig.job(job)
    assert rig.store is not None
    await rig.store.insert(JobRecord(made.id, "job", "work", status, enqueued_at=made.enqueued_at, not_before=due))
    await rig.send(job, id=made.id)
    async with rig.working():
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
    assert (await rig.record(made.id)).attempts == 1
    assert starts[0] >= (due or 0)


@virtually
async def test_a_job_does_not_start_before_the_date_in_its_envelope(rig):
    """I8: whatever the message's own delay was; a second early at most."""
    starts = []

    @rig.task()
    async def job() -> None:
        starts.append(rig.clock.wall())

    due = rig.clock.wall() + 5000
    await rig.send(job, not_before=due)
    async with rig.working(wait=20):
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete", within=10_000)
    assert due - 1 <= starts[0] <= due + 60


# In real time ------------------------------------------------------------------------------------------------


async def test_a_store_in_a_file_is_written_by_jobs_and_by_the_hearts_thread(rig, tmp_path):
    """Each has a store of its own; a claim moves with the lease of a job that outlives it."""

    @rig.task(retry=Retry(max_attempts=2, backoff=constant(1, jitter=0)))
    async def job(n: int) -> int:
        if n == 0:
            await asyncio.sleep(2.5)
        if n == 1 and current_job().attempt == 1:
            raise ValueError
        return n

    jobs = await rig.send_many(job, 30)
    async with SqliteStore(tmp_path / "jobs.db") as store, rig.working(store=store, visibility=2):
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete", count=30)
        records = [await store.get(job_id) for job_id in jobs]
    assert [record.result for record in records if record] == [str(n).encode() for n in range(30)]
    assert [record.attempts for record in records[:3] if record] == [1, 2, 1]
    assert [record.crashes for record in records if record] == [0] * 30
    assert rig.events.count(ev.LeaseEnded) == 0
