"""How dispositions are carried out: in batches, entry by entry where one fails, and again until the lease is over."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from tests.trials import examples
from tests.worker.rig import LOST, UNAVAILABLE
from tests.worker.virtual import virtually

from sqsjobs import Retry, RetryAfter
from sqsjobs import events as ev
from sqsjobs.observability.metrics import MetricsObserver, costs_told, exposition
from sqsjobs.transport.memory import MemoryTransport
from sqsjobs.transport.model import Fault, Refusal

DELETE = "DeleteMessageBatch"


async def _run_ten(rig, *faults: Fault, **options):
    @rig.task()
    async def quick(n: int) -> None: ...

    await rig.send_many(quick, 10)
    for fault in faults:
        rig.faults.plan(DELETE, fault)
    await rig.drain(**options)


@virtually
async def test_deletes_go_in_tens(rig):
    await _run_ten(rig)
    assert rig.faults.made(DELETE) == 1
    assert rig.messages() == []


@given(st.sets(st.integers(0, 9), min_size=1))
@examples(25)
def test_entries_of_a_delete_that_fail_are_tried_again_by_themselves(failed):
    """R35 and the seeded bug "batch Failed[] ignored": any subset; each message is deleted, none is run again."""

    @virtually
    async def scenario(rig):
        await _run_ten(rig, Fault(entries=dict.fromkeys(failed, UNAVAILABLE)))
        assert rig.messages() == []
        assert rig.events.count(ev.JobStarted) == rig.events.count(ev.JobSettled) == 10
        again = rig.events.of(ev.SqsCalled, lambda event: event.operation == DELETE)[1:]
        assert sum(call.entries for call in again) == len(failed)

    scenario()


@pytest.mark.parametrize(
    "fault",
    [Fault(before=UNAVAILABLE), Fault(before=LOST), Fault(after=LOST), Fault(before=Refusal("RequestThrottled", ""))],
)
@virtually
async def test_a_delete_that_fails_as_a_whole_is_tried_again(rig, fault):
    """R34: whether or not SQS has carried it out."""
    await _run_ten(rig, fault, fault, fault)
    assert rig.messages() == []
    assert rig.events.count(ev.JobStarted) == 10
    assert rig.events.count(ev.SettleFailed) == 0


@virtually
async def test_heartbeats_go_on_until_the_delete_is_confirmed(rig):
    """R35: an outage longer than the visibility; the messages are not given to anybody meanwhile."""
    rig.faults.refuse(DELETE, times=0)

    @rig.task()
    async def quick(n: int) -> None: ...

    await rig.send_many(quick, 3)
    async with rig.working(visibility=6):
        await asyncio.sleep(60)
        assert [message.receive_count for message in rig.messages()] == [1, 1, 1]
        rig.faults.end()
        await rig.events.wait(ev.JobSettled, count=3)
    assert rig.events.count(ev.JobStarted) == 3


@virtually
async def test_a_delete_that_cannot_succeed_is_told(rig):
    """What SQS calls the sender's fault is not repeated for ever; the message comes back and is deleted unrun."""
    fault = Refusal("AccessDeniedException", "no")
    await _run_ten(rig, Fault(entries={3: fault}))
    told = rig.events.one(ev.SettleFailed)
    assert told.disposition == "delete"
    assert "AccessDenied" in told.problem


@virtually
async def test_batch_ids_are_positions_so_one_message_twice_is_no_trouble(rig):
    """R24 and Spring's #1634: two receipts of one message in one batch of deletes."""
    rig.store = None

    class Doubling(MemoryTransport):
        async def delete(self, queue, receipt_handles):
            return (await super().delete(queue, [*receipt_handles, receipt_handles[0]]))[:-1]

    @rig.task()
    async def quick(n: int) -> None: ...

    await rig.send_many(quick, 5)
    async with Doubling(rig.sqs) as transport:
        await rig.drain(transport=transport)
    assert rig.messages() == []


@virtually
async def test_the_memory_of_what_was_deleted_is_bounded(rig):
    """R34, R66: the newest ten thousand; what comes back later than that has its record."""

    @rig.task()
    async def quick() -> None: ...

    async with rig.working() as worker:
        settler = worker._pipeline.settler
        for n in range(10_000):
            settler._remember(f"m{n}")
        await rig.send(quick)
        settled = await rig.events.wait(ev.JobSettled)
        assert settler.is_done(settled.message_id)
        assert not settler.is_done("m0")
        assert settler.is_done("m1")
        assert len(settler._done) == 10_000


@virtually
async def test_a_delete_lingers_for_company_but_not_on_fifo(rig):
    """R57: the next message of a group waits for the delete."""
    lingered = {}

    @rig.task()
    async def standard() -> None: ...

    @rig.task(queue="work.fifo")
    async def fifo() -> None: ...

    async with rig.working("work", "work.fifo", delete_linger=3):
        for task in (standard, fifo):
            await rig.send(task)
            await rig.events.wait(ev.JobEnded, lambda e, task=task: e.job.task == task.name)
            ended_at = rig.clock.now()
            await rig.events.wait(ev.JobSettled, lambda e, task=task: e.task == task.name)
            lingered[task.name] = rig.clock.now() - ended_at
    assert 3 <= lingered["standard"] < 3.1
    assert lingered["fifo"] < 0.1


@virtually
async def test_a_retry_is_hidden_for_whole_seconds_and_never_less(rig):
    """SQS takes whole seconds."""

    @rig.task(retry=Retry(max_attempts=9))
    async def failing() -> None:
        raise ValueError

    asked: list[float] = []

    class Watched(MemoryTransport):
        async def change_visibility(self, queue, changes):
            asked.extend(seconds for _, seconds in changes)
            return await super().change_visibility(queue, changes)

    await rig.send(failing)
    async with Watched(rig.sqs) as transport, rig.working(transport=transport):
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "deadletter")
    delays = [event.delay for event in rig.events.of(ev.JobSettled, lambda e: e.disposition == "hide")]
    hidden = [seconds for seconds in asked if seconds != 60]
    assert all(
        isinstance(seconds, int) and 0 <= seconds - delay < 1 for seconds, delay in zip(hidden, delays, strict=True)
    )


@virtually
async def test_dead_letters_and_resends_share_requests(rig):
    @rig.task(retry=Retry(max_attempts=1))
    async def failing(n: int) -> None:
        raise ValueError(n)

    await rig.send_many(failing, 20)
    sent = rig.faults.made("SendMessageBatch")
    await rig.drain(concurrency=20)
    assert len(rig.messages("work-dlq")) == 20
    assert rig.faults.made("SendMessageBatch") - sent <= 6


@virtually
async def test_what_is_sent_anew_costs_as_work_does(rig):
    """A worker's metrics know no job that it enqueued, and its own sends all the same."""
    tried = set()

    @rig.task()
    async def later(n: int) -> None:
        if n not in tried:
            tried.add(n)
            raise RetryAfter(7200)

    await rig.send_many(later, 3)
    before = len(rig.events.all)
    async with rig.working():
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "resend", count=3)
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete", count=3, within=10_000)
    observe = MetricsObserver({"later"}, {"work"}, registry := CollectorRegistry())
    for event in rig.events.all[before:]:
        observe(event)
    requests = [e for e in rig.events.all[before:] if isinstance(e, ev.SqsCalled) and e.queue == "work"]
    assert any(request.operation == "SendMessageBatch" for request in requests)
    (cost,) = (cost for cost in costs_told([exposition(registry)]) if cost.queue == "work")
    assert cost.requests_per_job() == {"work": pytest.approx(len(requests) / 3)}
