"""What the simulation has found, each in the smallest scene that shows it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from tests.worker.rig import LOST, UNAVAILABLE
from tests.worker.virtual import virtually

from sqsjobs import Retry, constant, current_job
from sqsjobs import events as ev
from sqsjobs.errors import StoreUnavailable
from sqsjobs.outcome import Succeeded
from sqsjobs.store.memory import MemoryStore
from sqsjobs.transport.memory import MemoryTransport
from sqsjobs.transport.model import Fault, Phase, StaleHandles

CHANGE = "ChangeMessageVisibilityBatch"


@virtually
async def test_a_hiding_that_may_have_happened_is_not_repeated_when_its_time_is_over(rig):
    """I6: the message may be another worker's by then, and its lease would be cut short."""
    receipts: list[int] = []

    @rig.task(retry=Retry(backoff=constant(1, jitter=0)))
    async def flaky() -> None:
        if current_job().attempt == 1:
            raise ValueError
        await asyncio.sleep(60)
        receipts.append(rig.messages()[0].receive_count)

    with rig.sqs.use() as model:
        model.leases.stale_handles = StaleHandles.HONOURED
    rig.faults.plan(CHANGE, Fault(after=LOST))
    rig.faults.plan(CHANGE, Fault(before=UNAVAILABLE), times=6)
    await rig.send(flaky)
    async with rig.working(visibility=30):
        await rig.events.wait(ev.JobSettled, lambda event: event.disposition == "delete")
    assert receipts == [2]


@pytest.mark.parametrize("seed", range(5))
@virtually
async def test_nothing_is_hidden_after_a_pause_in_which_the_lease_ended(rig, seed):
    """I6: whether the lease stands is asked before every try, and not before every pause."""
    tries: list[float] = []

    @rig.task(retry=Retry(backoff=constant(20, jitter=0)))
    async def failing() -> None:
        raise ValueError

    def refuse(operation: str, _queue: str | None) -> Fault | None:
        if operation == CHANGE:
            tries.append(rig.clock.now())
        return Fault(before=UNAVAILABLE) if tries and operation != "GetQueueAttributes" else None

    rig.sqs.faults = refuse
    begun = rig.clock.now()
    await rig.send(failing)
    async with rig.working(visibility=6, seed=seed):
        await rig.events.wait(ev.SettleFailed)
        rig.sqs.faults = None
    assert tries[-1] <= begun + 6.1


@virtually
async def test_a_process_that_was_suspended_while_a_change_waited_for_company_does_not_send_it(rig):
    """I6: between the decision to hide a message and the request is a moment, in which a lease can end."""
    changed: list[int] = []

    @rig.task(retry=Retry(backoff=constant(20, jitter=0)))
    async def failing() -> None:
        raise ValueError

    def note(operation: str, queue: str | None) -> None:
        if operation == CHANGE:
            changed.append(rig.messages()[0].receive_count)

    rig.sqs.faults = note
    await rig.send(failing)
    async with rig.working(visibility=30):
        await rig.events.wait(ev.JobEnded)
        await asyncio.sleep(0.005)
        loop: Any = asyncio.get_running_loop()
        loop._virtual_now += 60
        await rig.events.wait(ev.JobStarted, count=2)
    assert 1 not in changed


@virtually
async def test_messages_that_are_asked_for_again_are_leased_from_then_on(rig):
    """R26: however late a FIFO queue's lost answer is asked for again, what it brings can still be begun."""

    @rig.task(queue="work.fifo")
    async def job() -> None: ...

    late = Fault(delay=5.5, after=LOST)  # the lease that the lost answer spoke of is over
    rig.faults.plan("ReceiveMessage", late)
    await rig.send(job, group="g")
    async with rig.working("work.fifo", visibility=5):
        settled = await rig.events.wait(ev.JobSettled)
    assert isinstance(settled.outcome, Succeeded)


@virtually
async def test_the_next_of_a_group_waits_for_a_head_whose_end_could_not_be_recorded(rig):
    """I9: a head that succeeded and was not deleted comes again, and it comes first."""
    starts: list[str] = []

    class Away(MemoryStore):
        async def change(self, job_id, epoch, change):
            if rig.clock.now() < back_at:
                raise StoreUnavailable("the disk is full")
            return await super().change(job_id, epoch, change)

    @rig.task(queue="work.fifo")
    async def job(name: str) -> None:
        starts.append(name)

    back_at = rig.clock.now() + 3
    await rig.send(job, group="g", name="head")
    await rig.send(job, group="g", name="follower")
    async with Away(clock=rig.clock) as store, rig.working("work.fifo", store=store, fifo_receive=10, result_grace=1):
        await rig.events.wait(ev.JobSettled, lambda event: event.disposition == "delete", count=2)
    assert starts == ["head", "head", "follower"]


@virtually
async def test_the_next_of_a_group_waits_until_a_head_that_was_done_before_is_deleted(rig):
    """I9: another worker, which knows nothing of it, would run the head after its follower."""
    starts: list[tuple[str, int]] = []

    @rig.task(queue="work.fifo")
    async def job(name: str) -> None:
        starts.append((name, len(rig.messages("work.fifo"))))

    rig.faults.refuse("DeleteMessageBatch", times=0)
    rig.faults.refuse(CHANGE, times=0)
    await rig.send(job, group="g", name="head")
    await rig.send(job, group="g", name="follower")
    async with rig.working("work.fifo", visibility=5, fifo_receive=10):
        await rig.events.wait(ev.SettleFailed, lambda event: event.disposition == "delete")
        rig.faults.end()
        rig.faults.plan("DeleteMessageBatch", Fault(delay=1))
        await rig.events.wait(ev.JobSettled, lambda event: event.disposition == "delete", count=2)
    assert starts == [("head", 2), ("follower", 1)]


@virtually
async def test_what_comes_again_after_its_lease_was_lost_is_a_new_life(rig):
    """I12: though the old one has not ended, its receipt must not stay hidden for nobody."""
    receipts: list[int] = []

    @rig.task()
    async def job() -> None:
        receipts.append(rig.messages()[0].receive_count)
        try:
            await asyncio.sleep(60 if len(receipts) == 1 else 1)
        finally:
            await asyncio.sleep(20)

    rig.faults.refuse(CHANGE, times=0)
    await rig.send(job)
    async with rig.working(visibility=10):
        await rig.events.wait(ev.LeaseEnded)
        lost = rig.messages()[0].receive_count
        rig.faults.end()
        await rig.events.wait(ev.JobSettled, lambda event: event.disposition == "delete")
    assert receipts == [1, lost + 1]


@virtually
async def test_a_worker_has_ended_before_the_job_it_abandons_may_run_elsewhere(rig):
    """R9: though no answer comes to the release of a job that cannot be stopped."""
    over = False

    class Silent(MemoryTransport):
        async def change_visibility(self, queue, changes):
            await super().change_visibility(queue, changes)
            await asyncio.sleep(3600)

    @rig.task()
    async def stubborn() -> None:
        while not over:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    await rig.send(stubborn)
    async with Silent(rig.sqs) as transport:
        worker = rig.worker(transport=transport, grace=5)
        running = asyncio.ensure_future(worker.run())
        await rig.events.wait(ev.JobStarted)
        worker.stop()
        assert await running is False
        over = True
    (message,) = rig.messages()
    assert message.phase is Phase.IN_FLIGHT
    await asyncio.sleep(3)
    (message,) = rig.messages()
    assert message.phase is Phase.VISIBLE


@pytest.mark.parametrize("stale", StaleHandles)
@virtually
async def test_a_message_that_is_received_again_under_its_delete_is_deleted_by_its_new_handle(rig, stale):
    """I12: the older handle deletes nothing, and nobody else would see the message until its visibility ends."""
    rig.store = None

    @rig.task()
    async def quick() -> None: ...

    with rig.sqs.use() as model:
        model.leases.stale_handles = stale
    await rig.send(quick)
    rig.faults.plan("ReceiveMessage", Fault(duplicate=True))
    rig.faults.plan("DeleteMessageBatch", Fault(delay=1))
    async with rig.working():
        await rig.events.wait(ev.JobSettled)
        assert rig.messages() == []
    assert rig.events.count(ev.JobStarted) == 1


@virtually
async def test_a_stop_gives_back_what_waits_for_a_copy_that_nobody_takes(rig):
    """I12: what could not be dead-lettered by the end of a graceful stop is seen by others within two seconds."""

    @rig.task(retry=Retry(max_attempts=1))
    async def failing() -> None:
        raise ValueError

    rig.faults.plan("SendMessageBatch", Fault(delay=1000), queue="work-dlq", times=0)
    await rig.send(failing)
    async with rig.working(grace=1, visibility=300):
        await rig.events.wait(ev.JobEnded)
    await asyncio.sleep(2)
    assert [message.phase for message in rig.messages()] == [Phase.VISIBLE]


@virtually
async def test_a_stop_changes_no_visibility_that_is_being_changed(rig):
    """R19: the change that is on its way is the last."""

    @rig.task(retry=Retry(backoff=constant(20, jitter=0)))
    async def failing() -> None:
        raise ValueError

    rig.faults.plan(CHANGE, Fault(delay=1000))
    await rig.send(failing)
    async with rig.working(grace=1):
        await rig.events.wait(ev.JobEnded)
    assert rig.faults.made(CHANGE) == 1


@virtually
async def test_a_stop_changes_no_visibility_of_a_message_that_sqs_has_said_is_gone(rig):
    """I6: it is deleted, and the answer to that was lost; a heartbeat has heard so."""

    @rig.task()
    async def quick() -> None: ...

    rig.faults.plan("DeleteMessageBatch", Fault(after=LOST))
    rig.faults.refuse("DeleteMessageBatch", times=0)
    await rig.send(quick)
    async with rig.working(grace=1, visibility=60):
        await rig.events.wait(ev.JobEnded)
        await asyncio.sleep(30)
    assert rig.faults.made(CHANGE) == 1
