"""FIFO queues: the order of a group holds through failures, retries, stops and lost answers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from itertools import pairwise
from random import Random

import pytest
from tests.worker.rig import LOST
from tests.worker.virtual import virtually

from sqsjobs import Reject, Retry, RetryAfter, constant
from sqsjobs import events as ev
from sqsjobs.outcome import LostLease, Unstarted
from sqsjobs.transport.base import EntryFailed
from sqsjobs.transport.memory import MemoryTransport
from sqsjobs.transport.model import Fault, Refusal


class Ledger:
    """Starts and completions by group, and whether two runs of a group ever met."""

    def __init__(self) -> None:
        self.started: dict[str, list[int]] = defaultdict(list)
        self.completed: dict[str, list[int]] = defaultdict(list)
        self.running: set[str] = set()
        self.overlaps: list[tuple[str, int]] = []
        self.most_at_once = 0

    def start(self, group: str, n: int) -> None:
        if group in self.running:  # told, not raised: a worker would take that for an attempt that failed
            self.overlaps.append((group, n))
        self.running.add(group)
        self.most_at_once = max(self.most_at_once, len(self.running))
        self.started[group].append(n)

    def end(self, group: str, n: int, *, completed: bool) -> None:
        self.running.discard(group)
        if completed:
            self.completed[group].append(n)


def declare(rig, ledger: Ledger, *, failing: float = 0.0, seconds: float = 0.5):
    """Declare a task that fails now and then, and writes into the ledger."""
    random = Random(5)

    @rig.task(queue="work.fifo", retry=Retry(max_attempts=50, backoff=constant(2)))
    async def step(group: str, n: int) -> None:
        ledger.start(group, n)
        completed = False
        try:
            await asyncio.sleep(seconds * random.random())
            if random.random() < failing:
                raise ValueError
            completed = True
        finally:
            ledger.end(group, n, completed=completed)

    return step


async def send_groups(rig, step, groups: int, jobs: int) -> None:
    for n in range(jobs):
        for group in range(groups):
            job = rig.job(step, n=n, arguments=f'{{"group":"g{group}","n":{n}}}'.encode())
            await rig.send(step, arguments=job.arguments, group=f"g{group}")


@pytest.mark.parametrize("fifo_receive", [1, 10])
@pytest.mark.parametrize("stored", [True, False])
@virtually
async def test_order_holds_through_failures_and_retries(rig, fifo_receive, stored):
    """I9, R52, R54: first starts and completions in the order of sending; one run of a group at a time."""
    if not stored:
        rig.store = None
    ledger = Ledger()
    step = declare(rig, ledger, failing=0.2)
    await send_groups(rig, step, groups=8, jobs=8)
    async with rig.working("work.fifo", fifo_receive=fifo_receive):
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete", count=64)
    for group in range(8):
        assert ledger.completed[f"g{group}"] == list(range(8))
        assert ledger.started[f"g{group}"] == sorted(ledger.started[f"g{group}"])
    assert ledger.overlaps == []
    assert ledger.most_at_once > 3
    assert rig.messages("work-dlq.fifo") == []


@virtually
async def test_order_holds_with_two_workers_of_which_one_stops(rig):
    """I9: the one that stops gives its messages back in their places."""
    ledger = Ledger()
    step = declare(rig, ledger, failing=0.1, seconds=4)
    await send_groups(rig, step, groups=6, jobs=6)
    async with rig.working("work.fifo", name="stays", concurrency=3, fifo_receive=5):
        async with rig.working("work.fifo", name="goes", concurrency=3, fifo_receive=5, grace=1) as goes:
            await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete", count=10)
            goes.stop()
            await rig.events.wait(ev.WorkerStopped)
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete", count=36)
    assert all(ledger.completed[f"g{group}"] == list(range(6)) for group in range(6))
    assert ledger.overlaps == []


@virtually
async def test_followers_are_given_back_when_their_head_fails(rig):
    """R52: unrun, their order kept; none is dead-lettered with no start."""
    order = []

    @rig.task(queue="work.fifo", retry=Retry(max_attempts=5, backoff=constant(10, jitter=0)))
    async def step(n: int) -> None:
        order.append(n)
        if n == 0 and order.count(0) < 3:
            raise ValueError

    for n in range(5):
        await rig.send(step, n=n)
    async with rig.working("work.fifo", fifo_receive=10):
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete", count=5)
    assert order == [0, 0, 0, 1, 2, 3, 4]
    assert rig.events.count(ev.JobSettled, lambda e: isinstance(e.outcome, Unstarted)) == 2 * 4
    assert rig.events.count(ev.JobStarted, lambda e: e.job.arguments == b'{"n":4}') == 1


@virtually
async def test_one_message_is_received_at_a_time_so_that_followers_deliveries_are_not_eaten(rig):
    """R52: the default."""

    @rig.task(queue="work.fifo", retry=Retry(max_attempts=9, backoff=constant(3)))
    async def step(n: int) -> None:
        if n == 0 and rig.events.count(ev.JobStarted) < 6:
            raise ValueError

    for n in range(3):
        await rig.send(step, n=n)
    async with rig.working("work.fifo"):
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete", count=3)
    counts = {event.job.arguments: event.receive_count for event in rig.events.of(ev.JobStarted)}
    assert counts[b'{"n":1}'] == counts[b'{"n":2}'] == 1


class Forgetful(MemoryTransport):
    """Says at the first heartbeat that the first message it gave out is no longer held."""

    def __init__(self, sqs) -> None:
        super().__init__(sqs)
        self.heads: list[str] = []

    async def receive(self, queue, **options):
        deliveries = await super().receive(queue, **options)
        self.heads.extend(delivery.receipt_handle for delivery in deliveries)
        return deliveries

    async def change_visibility(self, queue, changes):
        results = await super().change_visibility(queue, [it for it in changes if it[0] != self.heads[0]] or changes)
        gone = EntryFailed("ReceiptHandleIsInvalid", "it has expired", retryable=False, lease_over=True)
        return [gone if handle == self.heads[0] else results[0] for handle, _ in changes]

    async def delete(self, queue, receipt_handles):
        if self.heads[0] in receipt_handles:
            return [EntryFailed("ReceiptHandleIsInvalid", "it has expired", retryable=False, lease_over=True)]
        return await super().delete(queue, receipt_handles)

    def clone(self):
        twin = type(self)(self.sqs)
        twin.heads = self.heads
        return twin


@virtually
async def test_followers_of_a_head_whose_lease_is_lost_are_dropped(rig):
    """R53 and the seeded bug "followers acked after lost lease": the head is seen again first."""
    order = []

    @rig.task(queue="work.fifo")
    async def step(n: int) -> None:
        order.append(n)
        if len(order) == 1:
            await asyncio.sleep(1000)

    for n in range(4):
        await rig.send(step, n=n)
    transport = Forgetful(rig.sqs)
    async with transport, rig.working("work.fifo", transport=transport, fifo_receive=10, visibility=30):
        lost = await rig.events.wait(ev.JobSettled, lambda e: isinstance(e.outcome, LostLease))
        assert lost.disposition == "leave"
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete", count=4)
    assert order == [0, 0, 1, 2, 3]


@virtually
async def test_a_head_that_goes_on_after_its_lease_was_lost_keeps_its_followers_waiting(rig):
    """R53 and R54: whoever runs it by then, nothing of its group starts here before it has ended."""
    rig.store = None
    told = []

    @rig.task(queue="work.fifo")
    async def step(n: int) -> None:
        told.append(n)
        if len(told) == 1:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                await asyncio.sleep(100)
        told.append(n)

    for n in range(3):
        await rig.send(step, n=n)
    transport = Forgetful(rig.sqs)
    async with transport, rig.working("work.fifo", transport=transport, fifo_receive=10, visibility=30):
        await rig.events.wait(ev.JobEnded, lambda e: e.job.arguments == b'{"n":2}')
    assert told == [0, 0, 1, 1, 2, 2]


@virtually
async def test_followers_of_a_head_that_could_not_be_deleted_wait_for_it_to_be_gone(rig):
    """R53 and the seeded bug "followers acked after lost lease": its success is not yet SQS's."""
    rig.store = None
    starts = {}

    @rig.task(queue="work.fifo")
    async def step(n: int) -> None:
        starts[n] = rig.clock.now()
        if n == 0:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                await asyncio.sleep(1)

    for n in range(3):
        await rig.send(step, n=n)
    transport = Forgetful(rig.sqs)
    async with transport, rig.working("work.fifo", transport=transport, fifo_receive=10, visibility=30):
        await rig.events.wait(ev.JobSettled, lambda e: e.task == "step" and e.disposition == "delete", count=3)
    assert starts[0] + 30 <= starts[1] <= starts[2]


@virtually
async def test_a_long_head_with_followers_at_hand_does_not_hold_up_other_groups(rig):
    @rig.task(queue="work.fifo")
    async def step(n: int) -> None:
        await asyncio.sleep(1000 if n == 0 else 0.1)

    for n in range(5):
        await rig.send(step, n=n, group="slow")
    async with rig.working("work.fifo", fifo_receive=10, concurrency=5, grace=0):
        await rig.events.wait(ev.JobStarted)
        await asyncio.sleep(5)
        await rig.send(step, n=7, group="quick")
        started = await rig.events.wait(ev.JobStarted, count=2)
    assert started.waited < 0.1


@virtually
async def test_a_rejected_head_lets_its_group_go_on(rig):
    """R55: dead-lettering breaks the order, as it says."""
    order = []

    @rig.task(queue="work.fifo")
    async def step(n: int) -> None:
        order.append(n)
        if n == 0:
            raise Reject("never")

    for n in range(3):
        await rig.send(step, n=n)
    async with rig.working("work.fifo", fifo_receive=10):
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete", count=2)
    assert order == [0, 1, 2]
    assert rig.dead_letter("work-dlq.fifo").reason == "rejected"


@virtually
async def test_a_retry_on_fifo_is_never_sent_anew(rig):
    """Design section 4: it would lose its place; beyond the ceiling it is hidden all the same."""

    @rig.task(queue="work.fifo")
    async def step(n: int) -> None:
        if n == 0 and rig.events.count(ev.JobStarted) == 1:
            raise RetryAfter(7200)

    for n in range(2):
        await rig.send(step, n=n)
    async with rig.working("work.fifo", wait=20):
        hidden = await rig.events.wait(ev.JobSettled)
        assert (hidden.disposition, hidden.delay) == ("hide", 7200)
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete", count=2, within=8000)
    done = rig.events.of(ev.JobSettled, lambda e: e.disposition == "delete")
    assert done[0].message_id == hidden.message_id


@virtually
async def test_the_answer_to_a_receive_that_was_lost_is_asked_for_again(rig):
    """R26: under the same attempt id SQS gives the same message, at once and not after its visibility."""
    began = rig.clock.now()

    @rig.task(queue="work.fifo")
    async def step() -> float:
        return rig.clock.now() - began

    await rig.send(step)
    rig.faults.plan("ReceiveMessage", Fault(after=LOST))
    async with rig.working("work.fifo"):
        settled = await rig.events.wait(ev.JobSettled)
    assert float(settled.outcome.result) < 2


@virtually
async def test_after_throttling_the_attempt_id_is_a_fresh_one(rig):
    """R26 and the seeded bug "attempt id reused after throttle": SQS does not take the old one again."""
    ids = []

    class Watched(MemoryTransport):
        async def receive(self, queue, **options):
            ids.append(options.get("attempt_id"))
            return await super().receive(queue, **options)

    @rig.task(queue="work.fifo")
    async def step() -> None: ...

    await rig.send(step)
    rig.faults.plan("ReceiveMessage", Fault(before=Refusal("RequestThrottled", "slow down")), times=2)
    async with Watched(rig.sqs) as transport, rig.working("work.fifo", transport=transport):
        await rig.events.wait(ev.JobSettled)
    assert len(ids) >= 3
    assert all(earlier != later for earlier, later in pairwise(ids))
