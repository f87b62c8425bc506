"""Leases and heartbeats of running jobs, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from tests.worker.rig import LOST, UNAVAILABLE
from tests.worker.virtual import VirtualLoop, virtually

from sqsjobs import LeaseState, Retry, RetryAfter, Snooze, constant, current_job
from sqsjobs import events as ev
from sqsjobs.job import JobStatus
from sqsjobs.outcome import AlreadyRunning, LostLease, Succeeded, TimedOut, Unstarted
from sqsjobs.transport.memory import MemoryTransport
from sqsjobs.transport.model import Fault, Refusal, StaleHandles

BEAT = "ChangeMessageVisibilityBatch"
OVER = [
    Refusal("ReceiptHandleIsInvalid", "The input receipt handle is invalid."),
    Refusal("MessageNotInflight", "The specified message isn't in flight."),
    Refusal(
        "InvalidParameterValueException",
        "Value h for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for "
        "visibility timeout change.",
    ),
    Refusal(
        "InvalidParameterValueException",
        "Value h for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
    ),
]
"""How SQS says that a receipt handle no longer holds its message."""


@virtually
async def test_a_job_that_outlives_its_visibility_runs_once(rig):
    """I7: while the worker is well, SQS gives the message out once, however long the job takes."""

    @rig.task()
    async def long() -> int:
        await asyncio.sleep(600)
        return current_job().attempt

    job_id = await rig.send(long)
    async with rig.working():
        await rig.events.wait(ev.JobStarted)
        await asyncio.sleep(300)
        assert rig.messages()[0].receive_count == 1
        assert (await rig.record(job_id)).lease_until > rig.clock.wall()
        await rig.events.wait(ev.JobSettled)
    assert (await rig.record(job_id)).result == b"1"
    assert rig.events.count(ev.JobStarted) == 1
    assert 25 <= rig.events.count(ev.HeartbeatSent) <= 38


@pytest.mark.parametrize("apart", [0, 2.3])
@virtually
async def test_a_beat_of_one_of_a_hundred_long_jobs_costs_a_tenth_of_a_call(rig, apart):
    """Whether they began together or one by one: each request carries ten, and none is made much before its time."""

    @rig.task()
    async def long(n: int) -> None:
        await asyncio.sleep(600)

    def calls() -> tuple[int, int]:
        """Return the requests that have been made of SQS, and the leases in them."""
        made = rig.events.of(ev.SqsCalled, lambda event: event.operation == BEAT)
        assert len(made) == rig.faults.made(BEAT)
        return len(made), sum(event.entries for event in made)

    async with rig.working(concurrency=100):
        for _ in range(100):
            await rig.send_many(long, 1)
            await asyncio.sleep(apart)
        await asyncio.sleep(60)
        before = calls()
        await asyncio.sleep(200)
        requests, beats = (now - then for now, then in zip(calls(), before, strict=True))
        await rig.events.wait(ev.JobSettled, count=100)
    assert rig.events.count(ev.JobStarted) == 100
    assert beats >= 100 * 200 / 22  # an interval of 20 s, which is spread by a tenth
    assert requests <= 0.1 * beats
    assert requests <= 0.1 * 100 * 200 / 20 * 1.1


@virtually
async def test_heartbeats_that_fail_are_tried_again_while_the_lease_lasts(rig):
    """R15: an outage of SQS that is shorter than the lease costs nothing."""

    @rig.task()
    async def long() -> None:
        await asyncio.sleep(300)

    await rig.send(long)
    async with rig.working():
        await rig.events.wait(ev.JobStarted)
        for fault in (Fault(before=UNAVAILABLE), Fault(before=LOST), Fault(entries={0: UNAVAILABLE}), Fault(delay=11)):
            rig.faults.plan(BEAT, fault)
            await asyncio.sleep(60)
        await rig.events.wait(ev.JobSettled)
    assert rig.events.count(ev.HeartbeatFailed) >= 3
    assert rig.events.count(ev.LeaseEnded) == 0
    assert rig.events.count(ev.JobStarted) == 1


@pytest.mark.parametrize("refusal", OVER, ids=lambda refusal: refusal.problem[-20:])
@virtually
async def test_a_lease_that_sqs_declares_over_cancels_the_job_and_is_not_touched_again(rig, refusal):
    """R16 and I6: no visibility call with a handle after its loss; the attempt stays counted."""
    seen = []

    @rig.task()
    async def long() -> None:
        lease = current_job().lease
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            seen.append(lease.state)
            raise

    job_id = await rig.send(long)
    async with rig.working() as worker:
        await rig.events.wait(ev.JobStarted)
        rig.faults.plan(BEAT, Fault(entries={0: refusal}))
        settled = await rig.events.wait(ev.JobSettled)
        assert (settled.disposition, type(settled.outcome)) == ("leave", LostLease)
        worker.stop()
        await rig.events.wait(ev.WorkerStopped)
        assert rig.faults.made(BEAT) == 1
    assert seen == [LeaseState.LOST]
    assert rig.events.count(ev.LeaseEnded) == 1
    record = await rig.record(job_id)
    assert (record.status, record.attempts, record.crashes) == (JobStatus.QUEUED, 1, 0)


@virtually
async def test_a_lease_whose_deadline_passes_is_lost_without_a_word_from_sqs(rig):
    """R17: the local clock is enough; the message comes back by itself, and nobody else's lease is touched."""
    starts = []

    @rig.task()
    async def long() -> None:
        starts.append(rig.clock.now())
        await asyncio.sleep(100)

    await rig.send(long)
    async with rig.working(concurrency=1):  # with a slot to spare it would receive the message anew, and go on
        await rig.events.wait(ev.JobStarted)
        rig.faults.refuse(BEAT, times=0)
        ended = await rig.events.wait(ev.JobEnded)
        lost_at = rig.clock.now()
        rig.faults.end()
        assert isinstance(ended.outcome, LostLease)
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
    assert 60 <= lost_at - starts[0] <= 62
    assert len(starts) == 2
    assert starts[1] >= starts[0] + 60


@virtually
async def test_a_worker_that_wakes_from_a_suspend_knows_that_its_leases_are_over(rig):
    """R12: the clock went on; no request is made with the old handle, and the result of the sleeper is refused."""
    starts = []

    @rig.task()
    async def long() -> str:
        starts.append(current_job().fencing_token)
        await asyncio.sleep(600 if len(starts) == 1 else 1)
        return "slept" if len(starts) == 1 else "awake"

    job_id = await rig.send(long)
    async with rig.working(concurrency=1):
        await rig.events.wait(ev.JobStarted)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop._virtual_now += 500
        await rig.events.wait(ev.LeaseEnded)
        assert rig.faults.made(BEAT) == 0
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
    assert (await rig.record(job_id)).result == b'"awake"'


@virtually
async def test_a_result_that_comes_after_another_workers_claim_is_refused(rig):
    """I2: fenced by the epoch. The late one neither records, nor deletes, nor releases anything."""
    release = asyncio.Event()

    @rig.task()
    async def stubborn() -> str:
        token = current_job().fencing_token
        if token == 1:
            try:
                await asyncio.sleep(10_000)
            except asyncio.CancelledError:
                await release.wait()
        else:
            await asyncio.sleep(50)
        return f"by claim {token}"

    job_id = await rig.send(stubborn)
    rig.faults.refuse(BEAT, times=0)
    async with rig.working(name="first", concurrency=1):
        await rig.events.wait(ev.LeaseEnded)
        rig.faults.end()
        async with rig.working(name="second"):
            await rig.events.wait(ev.JobStarted, count=2)
            release.set()
            late = await rig.events.wait(ev.JobSettled)
            assert (type(late.outcome), late.disposition) == (Succeeded, "leave")
            assert (await rig.record(job_id)).status is JobStatus.RUNNING
            assert rig.in_flight() == 1
            await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
    assert (await rig.record(job_id)).result == b'"by claim 2"'


@virtually
async def test_a_heartbeat_on_its_way_lands_before_the_release(rig):
    """R19: a beat that arrives after the visibility change would hide the message for a whole lease."""
    starts = []

    @rig.task()
    async def sleepy() -> None:
        starts.append(rig.clock.now())
        if len(starts) == 1:
            await asyncio.sleep(25)
            raise Snooze(3)

    await rig.send(sleepy)
    rig.faults.plan(BEAT, Fault(delay=8))
    async with rig.working():
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
    assert rig.events.count(ev.HeartbeatSent) == 1
    assert 3 <= starts[1] - starts[0] - 25 <= 15


@virtually
async def test_a_heartbeat_that_finds_the_message_deleted_is_no_lost_lease(rig):
    """R20: beats go on until the delete is confirmed, and its answers are slow to come."""

    @rig.task()
    async def quick() -> None: ...

    await rig.send(quick)
    rig.faults.plan("DeleteMessageBatch", Fault(after=LOST), times=7)
    async with rig.working(visibility=6):
        await rig.events.wait(ev.JobSettled)
    assert rig.faults.made(BEAT) >= 1
    assert rig.events.count(ev.LeaseEnded) == 0


@virtually
async def test_heartbeats_end_with_the_job(rig):
    """R18 and I15: after the last call about a message there is no visibility call for it."""
    calls: list[tuple[str, str]] = []

    class Watched(MemoryTransport):
        async def change_visibility(self, queue, changes):
            calls.extend(("hide", handle) for handle, _ in changes)
            return await super().change_visibility(queue, changes)

        async def delete(self, queue, receipt_handles):
            calls.extend(("delete", handle) for handle in receipt_handles)
            return await super().delete(queue, receipt_handles)

        def clone(self):
            return Watched(self.sqs)

    @rig.task(retry=Retry(max_attempts=3, backoff=constant(5)))
    async def varied(n: int) -> None:
        await asyncio.sleep(n % 7 * 5)
        if n % 3 == 0:
            raise ValueError

    await rig.send_many(varied, 60)
    async with Watched(rig.sqs) as transport, rig.working(transport=transport, visibility=15, concurrency=60):
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition in ("delete", "deadletter"), count=60)
        await asyncio.sleep(100)
    for handle in {handle for _, handle in calls}:
        own = [call for call, its in calls if its == handle]
        assert own.count("delete") <= 1
        if "delete" in own:
            assert own[-1] == "delete"


@virtually
async def test_the_twelve_hours_end_a_job_in_time_to_route_it(rig):
    """R21: shortly before SQS would show the message whatever one does, the job is timed out and tried again."""
    starts = []

    @rig.task()
    async def endless() -> None:
        starts.append(rig.clock.now())
        if len(starts) == 1:
            await asyncio.sleep(13 * 3600)

    await rig.send(endless)
    async with rig.working() as worker:
        await rig.events.wait(ev.JobStarted)
        _received_earlier(rig, worker, 11.5 * 3600)
        ended = await rig.events.wait(ev.JobEnded)
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
    assert isinstance(ended.outcome, TimedOut)
    assert 0.25 * 3600 < ended.seconds < 0.5 * 3600
    assert rig.events.count(ev.LeaseEnded) == 0
    assert len(starts) == 2


def _received_earlier(rig, worker, seconds):
    """Let the message in hand have been received so long ago, for the worker as for SQS."""
    (held,) = worker._pipeline.dispatcher.in_hand
    held.lease.granted -= seconds
    with rig.sqs.use() as model:
        (message,) = model.account.queue("work").messages.values()
        message.received_at -= seconds


@virtually
async def test_a_message_starts_at_once_where_a_slot_is_free(rig):
    """R22: a lease does not tick away in a buffer."""
    received = []

    @rig.task()
    async def quick(n: int) -> None: ...

    class Watched(MemoryTransport):
        async def receive(self, queue, **options):
            deliveries = await super().receive(queue, **options)
            received.extend([rig.clock.now()] * len(deliveries))
            return deliveries

    async with Watched(rig.sqs) as transport, rig.working(transport=transport, concurrency=50):
        await rig.send_many(quick, 30)
        await rig.events.wait(ev.JobSettled, count=30)
    assert max(received) - min(received) < 0.1


@virtually
async def test_what_waits_for_a_slot_is_kept_hidden_and_given_back_after_half_a_lease(rig):
    """R22: by heartbeats, unclaimed; another worker may have it then, and no attempt is burnt."""

    @rig.task()
    async def long(n: int) -> None:
        await asyncio.sleep(300)

    async with rig.working(concurrency=2):
        await rig.send(long, n=0)
        await rig.events.wait(ev.JobStarted)
        await asyncio.sleep(1.5)
        jobs = await rig.send_many(long, 2)  # the idle queue's open poll asks for two
        given_back = await rig.events.wait(ev.JobSettled)
        assert isinstance(given_back.outcome, Unstarted)
        assert [message.receive_count for message in rig.messages()] == [1, 1, 1]
        waited = jobs[1]
        async with rig.working(name="idle"):
            started = await rig.events.wait(ev.JobStarted, lambda e: e.job.id == waited)
            assert (started.attempt, started.receive_count) == (1, 2)
    assert rig.events.count(ev.LeaseEnded) == 0


@pytest.mark.parametrize("stale", StaleHandles)
@virtually
async def test_a_duplicate_at_another_worker_is_deferred(rig, stale):
    """R23 and I4: two runs of one job never overlap, whatever SQS does with the older handle."""
    running = 0

    @rig.task()
    async def alone() -> None:
        nonlocal running
        running += 1
        assert running == 1
        try:
            await asyncio.sleep(45)
        finally:
            running -= 1

    with rig.sqs.use() as model:
        model.leases.stale_handles = stale
    job_id = await rig.send(alone)
    rig.faults.plan("ReceiveMessage", Fault(duplicate=True))
    async with rig.working(name="first"):
        await rig.events.wait(ev.JobStarted)
        async with rig.working(name="second"):
            deferred = await rig.events.wait(ev.JobSettled)
            assert isinstance(deferred.outcome, AlreadyRunning)
            assert deferred.disposition == "hide"
            await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
    assert (await rig.record(job_id)).status is JobStatus.SUCCEEDED


@virtually
async def test_a_second_message_of_the_same_job_is_deferred_and_then_deleted(rig):
    """R28: an ambiguous send that was repeated; the job runs once."""
    starts = []

    @rig.task()
    async def once() -> None:
        starts.append(1)
        await asyncio.sleep(30)

    job_id = await rig.send(once)
    await rig.send(once, id=job_id)
    async with rig.working():
        deferred = await rig.events.wait(ev.JobSettled)
        assert (type(deferred.outcome), deferred.disposition) == (AlreadyRunning, "hide")
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete", count=2)
    assert len(starts) == 1
    assert rig.messages() == []


@virtually
async def test_a_message_that_comes_twice_in_one_receive_runs_once(rig):
    """R24: without a store, too; what is deleted is the newest receipt."""
    rig.store = None
    starts = []

    @rig.task()
    async def once() -> None:
        starts.append(1)
        await asyncio.sleep(30)

    class Doubling(MemoryTransport):
        async def receive(self, queue, **options):
            deliveries = await super().receive(queue, **options)
            return [*deliveries, *(replace(delivery, receive_count=2) for delivery in deliveries)]

    await rig.send(once)
    async with Doubling(rig.sqs) as transport, rig.working(transport=transport):
        await rig.events.wait(ev.JobSettled)
        await asyncio.sleep(100)
    assert len(starts) == 1
    assert rig.events.count(ev.JobSettled) == 1
    assert rig.messages() == []


@pytest.mark.parametrize("stale", StaleHandles)
@virtually
async def test_an_older_receipt_that_comes_later_is_not_gone_on_with(rig, stale):
    """R24: answers overtake each other, and the handle of the older one extends, ends and shows nothing."""
    rig.store = None

    class Overtaking(MemoryTransport):
        async def receive(self, queue, **options):
            older = await super().receive(queue, **options)
            newer = await super().receive(queue, **options | {"wait": 0}) if older else []
            return [*newer, *older]

    @rig.task()
    async def once() -> None:
        await asyncio.sleep(200)

    with rig.sqs.use() as model:
        model.leases.stale_handles = stale
    await rig.send(once)
    rig.faults.plan("ReceiveMessage", Fault(duplicate=True))
    async with Overtaking(rig.sqs) as transport, rig.working(transport=transport):
        await rig.events.wait(ev.JobSettled)
        assert [it.receive_count for it in rig.events.of(ev.JobStarted)] == [2]
    assert rig.events.count(ev.LeaseEnded) == 0
    assert rig.messages() == []


@virtually
async def test_a_message_received_again_while_it_runs_goes_on_under_its_new_handle(rig):
    """R24: SQS gave it out twice; the job is neither cancelled nor run twice."""
    rig.store = None
    starts = []

    @rig.task()
    async def once() -> None:
        starts.append(1)
        await asyncio.sleep(200)

    await rig.send(once)
    rig.faults.plan("ReceiveMessage", Fault(duplicate=True))
    async with rig.working():
        await rig.events.wait(ev.JobSettled)
        await asyncio.sleep(100)
    assert len(starts) == 1
    assert rig.events.count(ev.LeaseEnded) == 0
    assert rig.messages() == []


@pytest.mark.parametrize("stored", [True, False])
@virtually
async def test_a_message_that_comes_back_after_its_delete_is_deleted_again_unrun(rig, stored):
    """R25: the worker remembers what it deleted."""
    if not stored:
        rig.store = None
    starts = []

    @rig.task()
    async def once() -> None:
        starts.append(1)

    await rig.send(once)
    rig.faults.plan("DeleteMessageBatch", Fault(resurrect=True))
    async with rig.working():
        await rig.events.wait(ev.JobSettled, count=2)
    assert len(starts) == 1
    assert rig.messages() == []


@virtually
async def test_a_message_that_comes_back_to_another_worker_is_deleted_by_its_record(rig):
    """R25 and R3: done is done."""
    starts = []

    @rig.task()
    async def once() -> None:
        starts.append(1)

    await rig.send(once)
    rig.faults.plan("DeleteMessageBatch", Fault(resurrect=True))
    await rig.drain(name="first")
    async with rig.working(name="second"):
        await rig.events.wait(ev.JobSettled, count=2)
    assert len(starts) == 1
    assert rig.messages() == []


@virtually
async def test_a_release_that_fails_leaves_the_message_to_its_lease(rig):
    """R45: it comes back at the end of the lease; `not_before` in the record keeps it from starting early."""
    starts = []

    @rig.task()
    async def later() -> None:
        starts.append(rig.clock.now())
        if len(starts) == 1:
            raise RetryAfter(200)

    await rig.send(later)
    async with rig.working():
        rig.faults.refuse(BEAT, times=0)
        await rig.events.wait(ev.SettleFailed)
        rig.faults.end()
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
    assert starts[1] - starts[0] >= 199
    assert rig.events.of(ev.JobSettled)[0].disposition == "leave"
