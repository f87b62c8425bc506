"""Polls of a running worker: how many, when, of which queue; and what health says of them. In virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from tests.worker.rig import LOST, UNAVAILABLE
from tests.worker.virtual import virtually

from sqsjobs import ConfigurationError, RetryAfter
from sqsjobs import events as ev
from sqsjobs.transport.memory import MemoryTransport
from sqsjobs.transport.model import Fault, Refusal
from sqsjobs.worker import pipeline, quota, settler
from sqsjobs.worker.options import WatchedQueue, WorkerOptions

POLL = "ReceiveMessage"


# Idle -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wait", "calls_a_minute"), [(10, 7), (20, 3)])
@pytest.mark.parametrize("queues", [("work",), ("work", "other", "work.fifo")])
@virtually
async def test_an_idle_worker_makes_few_calls_a_minute_and_queue(rig, queues, wait, calls_a_minute):
    """One long poll follows the other, at most seven a minute by default and three of the longest; nothing else is asked."""
    async with rig.working(*queues, wait=wait, concurrency=100):
        await asyncio.sleep(60)
        calls = len(rig.faults.asked)
        await asyncio.sleep(600)
        assert len(rig.faults.asked) - calls <= calls_a_minute * 10 * len(queues)
        assert Counter(rig.faults.asked).keys() == {("GetQueueAttributes", q) for q in queues} | {
            (POLL, q) for q in queues
        }


@virtually
async def test_an_idle_worker_takes_a_job_the_moment_it_is_sent(rig):
    @rig.task()
    async def job() -> None: ...

    async with rig.working("other", "work", wait=20):
        await asyncio.sleep(33)
        await rig.send(job)
        started = await rig.events.wait(ev.JobStarted)
    assert started.waited < 0.05


@virtually
async def test_polls_wait_no_longer_than_a_third_of_the_visibility(rig):
    """So that a lease outlives the wait for it."""
    async with rig.working(wait=20, visibility=12):
        await asyncio.sleep(40)
    assert {round(event.seconds) for event in rig.events.of(ev.PollCompleted)} <= {4, 0, 1, 2, 3}
    assert rig.faults.made(POLL) >= 10


def test_a_wait_of_nothing_would_never_rest():
    """Short polls follow each other at once: only a burst, which ends, may have them."""
    with pytest.raises(ConfigurationError, match="wait must be 1 to 20 seconds"):
        WorkerOptions(wait=0)
    assert WorkerOptions(wait=0, burst=True).poll_wait == 0


# Sharing ---------------------------------------------------------------------------------------------------


@virtually
async def test_one_slot_for_a_busy_and_an_idle_queue_is_not_slowed_by_the_idle_one(rig):
    """The idle queue's open poll holds no slot, and what comes there starts next."""

    @rig.task()
    async def busy(n: int) -> None:
        await asyncio.sleep(0.1)

    @rig.task(queue="other")
    async def rare() -> None: ...

    await rig.send_many(busy, 300)
    async with rig.working("work", "other", concurrency=1, wait=10):
        began = rig.clock.now()
        await rig.events.wait(ev.JobSettled, count=100)
        assert rig.clock.now() - began < 100 * 0.1 * 1.15
        await rig.send(rare)
        started = await rig.events.wait(ev.JobStarted, lambda e: e.job.task == "rare")
        assert started.waited < 0.5


@pytest.mark.parametrize(("weights", "concurrency"), [((3, 1), 8), ((1, 1), 1), ((4, 1), 30)])
@virtually
async def test_two_busy_queues_are_served_by_weight(rig, weights, concurrency):
    @rig.task()
    async def here(n: int) -> None:
        await asyncio.sleep(0.2)

    @rig.task(queue="other")
    async def there(n: int) -> None:
        await asyncio.sleep(0.2)

    await rig.send_many(here, 600)
    await rig.send_many(there, 600)
    watched = WatchedQueue("work", weights[0]), WatchedQueue("other", weights[1])
    async with rig.working(*watched, concurrency=concurrency, grace=0) as worker:
        await rig.events.wait(ev.JobStarted, count=400)
        worker.stop()
        starts = Counter(event.job.queue for event in rig.events.of(ev.JobStarted)[:400])
    assert starts["work"] / starts["other"] == pytest.approx(weights[0] / weights[1], rel=0.2)


@virtually
async def test_jobs_that_hold_all_slots_for_ten_minutes_leave_the_worker_live(rig):
    """No poll is made meanwhile: liveness is then that heartbeats get through."""

    @rig.task()
    async def long(n: int) -> None:
        await asyncio.sleep(600)

    await rig.send_many(long, 6)
    async with rig.working(concurrency=3, wait=10) as worker:
        await rig.events.wait(ev.JobStarted, count=3)
        await asyncio.sleep(1)
        polls = rig.faults.made(POLL)
        for _ in range(9):
            await asyncio.sleep(60)
            assert worker.health.live() == ""
            assert worker.health.ready() == ""
        assert rig.faults.made(POLL) == polls
        rig.faults.refuse("ChangeMessageVisibilityBatch", times=0)
        worker._pipeline.heart.last_success -= 200
        assert "no poll has ended" in worker.health.live()
        rig.faults.end()
        await rig.events.wait(ev.JobSettled, count=3)


# Trouble ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(before=UNAVAILABLE),
        Fault(before=LOST),
        Fault(before=Refusal("RequestThrottled", "slow down")),
        Fault(before=Refusal("AccessDeniedException", "no")),
        Fault(before=Refusal("QueueDoesNotExist", "gone")),
        Fault(before=Refusal("KmsDisabled", "the key is disabled")),
    ],
    ids=lambda fault: getattr(fault.before, "shape", "NoAnswer"),
)
@virtually
async def test_polls_that_fail_are_tried_again_with_growing_pauses(rig, fault):
    """R61, R27: whatever is wrong, the worker goes on by itself afterwards; meanwhile readiness says so, liveness not."""

    @rig.task()
    async def job() -> None: ...

    async with rig.working(wait=10) as worker:
        rig.faults.plan(POLL, fault, times=0)
        rig.sqs.end_polls()
        await rig.events.wait(ev.PollFailed, count=8)
        failed = rig.events.of(ev.PollFailed)
        assert [event.failures for event in failed] == list(range(1, 9))
        assert failed[0].retry_in <= 1
        assert 10 <= failed[-1].retry_in <= 30
        assert worker.health.ready() == "polls fail: work"
        assert worker.health.live() == ""
        assert rig.faults.made(POLL) <= 10
        rig.faults.end()
        await rig.send(job)
        await rig.events.wait(ev.JobSettled)
        assert worker.health.ready() == ""


@virtually
async def test_polls_that_fail_together_are_one_failure(rig):
    """One hiccup of SQS under ten open polls is not ten in a row, and no reason for half a minute's pause."""

    @rig.task()
    async def job(n: int) -> None:
        await asyncio.sleep(0.5)

    await rig.send_many(job, 1000)
    async with rig.working(concurrency=100, prefetch=0):
        await rig.events.wait(ev.JobStarted, count=300)
        rig.faults.plan(POLL, Fault(before=UNAVAILABLE, delay=0.05), times=8)
        await rig.events.wait(ev.PollFailed, count=8)
        assert max(event.failures for event in rig.events.of(ev.PollFailed)) <= 2
        failed_at = rig.clock.now()
        await rig.events.wait(ev.JobStarted, lambda e: True, count=rig.events.count(ev.JobStarted) + 1)
        assert rig.clock.now() - failed_at < 3


@virtually
async def test_one_queue_in_trouble_does_not_hold_the_others_up(rig):
    @rig.task()
    async def job() -> None: ...

    rig.faults.plan(POLL, Fault(before=Refusal("QueueDoesNotExist", "gone")), queue="other", times=0)
    async with rig.working("other", "work") as worker:
        for n in range(5):
            await rig.send(job)
            started = await rig.events.wait(ev.JobStarted, count=n + 1)
            assert started.waited < 0.1
            await asyncio.sleep(7)
        assert worker.health.ready() == "polls fail: other"


@virtually
async def test_a_worker_says_when_it_becomes_unready_and_ready_again(rig):
    """The scene of an SQS that is away for ten seconds and answers 500 for ten more."""
    async with rig.working(wait=2):
        rig.faults.plan(POLL, Fault(before=LOST), times=3)
        rig.faults.plan(POLL, Fault(before=UNAVAILABLE), times=3)
        await rig.events.wait(ev.WorkerReady)
        await rig.events.wait(ev.WorkerReady, lambda e: not e.problem)
    assert [bool(event.problem) for event in rig.events.of(ev.WorkerReady)] == [True, False]


# The end of a burst ------------------------------------------------------------------------------------------


@virtually
async def test_a_burst_ends_when_all_queues_are_empty_and_nothing_is_in_hand(rig):
    """What a job of the last queue enqueues on the first is done, too."""

    @rig.task(queue="work")
    async def second() -> None: ...

    @rig.task(queue="other")
    async def first() -> None:
        await asyncio.sleep(30)
        await rig.send(second)

    await rig.send(first)
    assert await rig.drain("work", "other", wait=2)
    assert [event.task for event in rig.events.of(ev.JobSettled)] == ["first", "second"]
    assert rig.events.one(ev.WorkerStopping).reason == "the queues are empty"


@virtually
async def test_a_burst_on_empty_queues_costs_one_poll_each(rig):
    assert await rig.drain("work", "other", "work.fifo")
    assert Counter(rig.faults.asked)[POLL, "work"] == 1
    assert rig.faults.made(POLL) == 3


@virtually
async def test_a_burst_goes_on_after_polls_that_failed(rig):
    @rig.task()
    async def job() -> None: ...

    await rig.send(job)
    rig.faults.refuse(POLL, times=3)
    await rig.drain()
    assert rig.events.count(ev.JobSettled) == 1


@virtually
async def test_a_burst_believes_no_approximate_count(rig):
    """R64: SQS's counts lag by a minute; the queue is empty when a whole poll has found nothing in it."""

    class Lagging(MemoryTransport):
        async def describe(self, queue):
            return replace(await super().describe(queue), visible=0, in_flight=0, delayed=0)

    @rig.task()
    async def job(n: int) -> None:
        await asyncio.sleep(1)

    await rig.send_many(job, 40)
    async with Lagging(rig.sqs) as transport:
        await rig.drain(transport=transport)
    assert rig.events.count(ev.JobSettled, lambda e: e.disposition == "delete") == 40
    assert rig.messages() == []


@virtually
async def test_a_storm_of_throttling_is_not_answered_with_one_of_receives(rig):
    """R68: many receives at once become few, and further and further apart; when it is over they are many again."""

    @rig.task()
    async def job(n: int) -> None:
        await asyncio.sleep(0.05)

    await rig.send_many(job, 3000)
    async with rig.working(concurrency=100):
        await rig.events.wait(ev.JobSettled, count=1000)
        busy = rig.faults.made(POLL)
        began = rig.clock.now()
        rig.faults.plan(POLL, Fault(before=Refusal("RequestThrottled", "slow down")), times=0)
        await asyncio.sleep(120)
        throttled = rig.faults.made(POLL) - busy
        rig.faults.end()
        await rig.events.wait(ev.JobSettled, count=3000)
    assert busy >= 100
    assert throttled <= 40
    assert rig.clock.now() - began < 120 + 30 + 10


# Costs and bounds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [10, 50, 100])
@virtually
async def test_a_job_under_load_costs_at_most_031_calls(rig, concurrency):
    """Every call counts: sends, receives and deletes in tens, 0.30 together, and what it costs to begin and to end.

    The end of a burst are the polls that find nothing, one for each ten slots: a dozen, and the less a job the more jobs.
    """

    @rig.task()
    async def noop(n: int) -> None: ...

    await rig.send_many(noop, 2000)
    await rig.drain(concurrency=concurrency, wait=10)
    assert rig.events.count(ev.JobSettled) == 2000
    assert len(rig.faults.asked) / 2000 <= 0.31


@pytest.mark.parametrize(("concurrency", "calls"), [(50, 0.4), (100, 0.33)])
@virtually
async def test_jobs_of_all_lengths_cost_few_calls_too(rig, concurrency, calls):
    """Slots that are freed one by one gather for a moment, so that receives come in tens; deletes wait for company, too.

    They wait for 50 ms at most: ten are done in that time where 200 jobs a second end, as they do in a hundred slots. In
    fifty it is 110, six come together, and a delete costs 0.16 calls in place of 0.10. To wait for longer would leave done
    jobs undeleted for longer, which a crash then makes run again.
    """

    @rig.task()
    async def job(n: int) -> None:
        await asyncio.sleep(0.05 + n % 17 / 20)

    await rig.send_many(job, 1000)
    await rig.drain(concurrency=concurrency, wait=10)
    assert rig.events.count(ev.JobSettled) == 1000
    assert len(rig.faults.asked) / 1000 <= calls


@virtually
async def test_a_long_backlog_leaves_nothing_behind_in_the_worker(rig):
    """I14: what the worker holds is bounded by its concurrency, and in the end it is nothing."""
    most = 0

    @rig.task()
    async def job(n: int) -> None:
        nonlocal most
        most = max(most, len(worker._pipeline.dispatcher))
        await asyncio.sleep(0.01)

    await rig.send_many(job, 1500)
    worker = rig.worker(concurrency=20, burst=True)
    assert await worker.run()
    line = worker._pipeline
    assert most <= 20 + 20 + 10 + 100  # running, fetched ahead, an idle poll's, being deleted
    assert (len(line.dispatcher), line.intake.waiting, line.intake.running) == (0, 0, 0)
    assert line.intake._reserved == 0
    assert len(line.heart._book) == 0


@virtually
async def test_what_cannot_be_deleted_does_not_pile_up_without_end(rig, monkeypatch):
    """I14: with so many messages in hand that are done and not settled, no more are taken."""
    monkeypatch.setattr(pipeline, "_IN_HAND_SPARE", 50)

    @rig.task()
    async def noop(n: int) -> None: ...

    await rig.send_many(noop, 300)
    rig.faults.refuse("DeleteMessageBatch", times=0)
    async with rig.working(concurrency=10) as worker:
        await asyncio.sleep(70)
        assert 80 <= len(worker._pipeline.dispatcher) <= 80 + 10
        assert rig.events.count(ev.JobStarted) == len(worker._pipeline.dispatcher)
        rig.faults.end()
        await rig.events.wait(ev.JobSettled, count=300)
    assert rig.events.count(ev.JobStarted) == 300
    assert rig.messages() == []


@virtually
async def test_retries_of_a_queue_whose_quota_fills_up_are_sent_anew(rig, monkeypatch):
    """R43 and R62: hidden messages are in flight, and at 120,000 of them receives come back empty without a word."""
    monkeypatch.setattr(quota, "_IN_FLIGHT", 300)
    monkeypatch.setattr(quota, "_CROWD", 50)

    @rig.task()
    async def failing(n: int) -> None:
        raise RetryAfter(600)

    await rig.send_many(failing, 200)
    async with rig.working(concurrency=50):
        await rig.events.wait(ev.JobSettled, count=200)
        assert not rig.events.of(ev.JobSettled, lambda e: e.disposition == "resend")
        await asyncio.sleep(61)
        await rig.send_many(failing, 20)
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "resend", count=20)
    assert rig.in_flight() == 200


@virtually
async def test_what_was_deleted_is_remembered_but_not_for_ever(rig):
    """I14 and the seeded bug "unbounded LRU"."""
    worker = rig.worker()
    running = asyncio.ensure_future(worker.run())
    await rig.events.wait(ev.WorkerStarted)
    for n in range(settler._REMEMBERED + 100):
        worker._pipeline.settler._remember(str(n))
    assert len(worker._pipeline.settler._done) == settler._REMEMBERED
    assert not worker._pipeline.settler.is_done("0")
    worker.stop()
    await running


@pytest.mark.parametrize("visibility", [0, 1, 1.9])
def test_a_lease_that_a_long_poll_could_use_up_is_refused(visibility: float) -> None:
    """Of a lease of one second the shortest long poll might leave nothing, so that every job ran twice."""
    with pytest.raises(ConfigurationError, match="visibility must be 2 to 21,600 seconds"):
        WorkerOptions(visibility=visibility)


@virtually
async def test_the_shortest_lease_outlives_the_longest_wait(rig):
    """R22: a message that comes at the very end of a poll has a lease that stands; it is run once, to its end."""

    @rig.task()
    async def job() -> None:
        await asyncio.sleep(7)

    async with rig.working(visibility=2, wait=20) as worker:
        assert worker.options.poll_wait == 1
        await asyncio.sleep(0.95)  # of the poll's one second
        await rig.send(job)
        await rig.events.wait(ev.JobSettled)
    assert rig.events.count(ev.JobStarted) == 1
    assert rig.events.of(ev.LeaseEnded) == []
