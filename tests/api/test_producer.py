"""Sending: who goes together, what is tried again, and that every call gets exactly one answer."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.api.scripted import ScriptedTransport, Step, fails, loses_the_answer, refuses, waits_for, works

from sqsjobs import envelope
from sqsjobs.clock import SystemClock
from sqsjobs.errors import (
    AccessDenied,
    EnqueueRejected,
    EnqueueUncertain,
    NoJobStore,
    PayloadTooLarge,
    QueueNotFound,
    RequestRejected,
    StoreUnavailable,
    Throttled,
    TransportUnavailable,
)
from sqsjobs.events import JobEnqueued, JobNotEnqueued, StoreFailed
from sqsjobs.job import Call, JobStatus
from sqsjobs.producer import Enqueued, NotEnqueued, Producer
from sqsjobs.producer.tries import Answer, RetryBudget, SendPolicy, again_in_order
from sqsjobs.store.memory import MemoryStore
from sqsjobs.transport.base import NotSent, Sent
from sqsjobs.transport.model import Phase

QUICK = SendPolicy(deadline=0.3, first_pause=0.001, longest_pause=0.005)
IMPATIENT = SendPolicy(deadline=0.02, first_pause=0.001, longest_pause=0.005)


def call(n: int = 0, *, queue: str = "q", **options: Any) -> Call[object]:
    return Call(task="t", queue=queue, arguments=json.dumps({"n": n}).encode(), **options)


def fifo(n: int = 0, group: str = "g") -> Call[object]:
    return call(n, queue="q.fifo", group=group)


class Rig:
    """A producer on a scripted transport; `events` are what it told."""

    def __init__(
        self, *script: Step, policy: SendPolicy = QUICK, store: MemoryStore | None = None, always: Step = works
    ) -> None:
        self.transport = ScriptedTransport(*script, always=always)
        self.sqs = self.transport.sqs
        for queue in ("q", "q.fifo"):
            self.sqs.create_queue(queue)
        self.store: Any = store
        self.events: list[Any] = []
        self.producer = Producer(self.transport, store, observer=self.events.append, clock=SystemClock(), policy=policy)

    async def __aenter__(self) -> Self:
        await self.transport.__aenter__()
        if self.store:
            await self.store.__aenter__()
        await self.producer.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.producer.__aexit__()
        if self.store:
            await self.store.__aexit__()
        await self.transport.__aexit__()

    async def send(self, call: Call[object]) -> Any:
        return await self.producer.send(call)

    async def send_many(self, calls: Iterable[Call[object]]) -> list[Any]:
        return [outcome async for outcome in self.producer.send_many(calls)]

    def queued(self, queue: str = "q") -> list[int]:
        jobs = [envelope.decode(m.body, queue=queue, message_id=m.message_id) for m in self.sqs.peek(queue)]
        return [json.loads(job.arguments)["n"] for job in jobs]

    def batches(self) -> list[list[int]]:
        return [[json.loads(message.body)["args"]["n"] for message in request] for request in self.transport.requests]


async def test_concurrent_sends_share_requests():
    async with Rig() as rig:
        outcomes = await asyncio.gather(*(rig.send(call(n)) for n in range(25)))
    assert all(isinstance(outcome, Enqueued) for outcome in outcomes)
    assert [len(batch) for batch in rig.batches()] == [10, 10, 5]
    assert sorted(rig.queued()) == list(range(25))
    assert Counter(type(event) for event in rig.events) == {JobEnqueued: 25}


async def test_many_jobs_for_which_nothing_is_waited_take_no_task_each():
    tasks = []

    def counting(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        tasks.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    async with Rig() as rig:
        asyncio.get_running_loop().set_task_factory(counting)
        outcomes = await rig.send_many(call(n) for n in range(100))
    assert all(isinstance(outcome, Enqueued) for outcome in outcomes)
    assert rig.queued() == list(range(100))
    assert len(tasks) <= len(rig.transport.requests) + 1


async def test_the_message_is_the_whole_job():
    async with Rig() as rig:
        outcome = await rig.send(call(7, delay=0.2, group="tenant", headers={"h": "v"}))
    (request,) = rig.transport.requests
    job = envelope.decode(request[0].body, queue="q", message_id="m" * 20, group=request[0].group)
    assert (job.id, job.task, job.arguments) == (outcome.job_id, "t", b'{"n": 7}')
    assert (job.headers, job.group) == ({"h": "v"}, "tenant")
    assert request[0].delay == 1  # whole seconds, never early
    assert request[0].deduplication_id is None


async def test_a_delay_is_counted_by_sqs_and_by_no_clock_of_ours():
    """R63, I8: nothing in the message says when it is due, so it does not matter whose clocks are wrong."""
    async with Rig() as rig:
        await rig.send(call(delay=60))
    ((message,),) = rig.transport.requests
    assert message.delay == 60
    assert "not_before" not in message.body
    assert [queued.phase for queued in rig.sqs.peek("q")] == [Phase.DELAYED]


@pytest.mark.parametrize("delay", [900, 900.5, 7200])
async def test_a_longer_delay_than_sqs_holds_is_dated_in_the_message(delay):
    """I8: what SQS makes visible after 15 minutes is put off by the worker, also where no store keeps the date."""
    async with Rig() as rig:
        await rig.send(call(delay=delay))
    ((message,),) = rig.transport.requests
    job = envelope.decode(message.body, queue="q", message_id="m" * 20)
    assert message.delay == 900
    assert job.not_before == (None if delay == 900 else job.enqueued_at + delay)


async def test_a_batch_stays_below_a_mebibyte():
    """R30."""
    big = "x" * 400_000
    async with Rig() as rig:
        await rig.send_many([Call("t", "q", json.dumps({"n": big}).encode()) for _ in range(5)])
    assert [len(batch) for batch in rig.transport.requests] == [2, 2, 1]


async def test_an_envelope_that_is_too_large_is_refused_before_any_request():
    """R30."""
    large: Call[object] = Call("t", "q", json.dumps({"n": "x" * envelope.MAX_ENVELOPE_BYTES}).encode())
    async with Rig() as rig:
        outcome = await rig.send(large)
        assert isinstance(outcome.error, PayloadTooLarge)
        assert outcome.error.job_id == outcome.job_id
    assert rig.transport.requests == []
    assert isinstance(rig.events[0], JobNotEnqueued)


@pytest.mark.parametrize("failure", [fails(Throttled), fails(TransportUnavailable, sent=False), refuses(0)])
async def test_what_may_succeed_later_is_tried_again_under_the_same_id(failure):
    """R32."""
    async with Rig(failure, failure) as rig:
        outcome = await rig.send(call())
    assert isinstance(outcome, Enqueued)
    assert len({request[0].body for request in rig.transport.requests}) == 1
    assert len(rig.transport.requests) == 3


@pytest.mark.parametrize(
    ("kind", "raised"),
    [(AccessDenied, AccessDenied), (QueueNotFound, QueueNotFound), (RequestRejected, EnqueueRejected)],
)
async def test_what_cannot_succeed_is_not_tried_again(kind, raised):
    async with Rig(fails(kind)) as rig:
        outcome = await rig.send(call())
    assert type(outcome.error) is raised
    assert len(rig.transport.requests) == 1


async def test_throttled_to_the_end_is_a_plain_failure():
    """R32: it surfaces after the deadline, and is certain."""
    async with Rig(always=fails(Throttled), policy=IMPATIENT) as rig:
        outcome = await rig.send(call())
    assert type(outcome.error) is Throttled
    assert len(rig.transport.requests) > 1
    assert not rig.events[0].uncertain


async def test_half_of_the_requests_throttled_and_all_jobs_get_through():
    """R32."""
    turn = count()

    async def half(messages, send):
        return await (fails(Throttled) if next(turn) % 2 else works)(messages, send)

    async with Rig(always=half, policy=SendPolicy(first_pause=0.001, longest_pause=0.01)) as rig:
        outcomes = await rig.send_many(call(n) for n in range(2000))
    assert all(isinstance(outcome, Enqueued) for outcome in outcomes)
    assert sorted(rig.queued()) == list(range(2000))


async def test_a_lost_answer_is_tried_again_and_ends_accepted():
    """R28: the second copy has the same id."""
    async with Rig(loses_the_answer()) as rig:
        outcome = await rig.send(call())
    assert isinstance(outcome, Enqueued)
    ids = {json.loads(message.body)["id"] for message in rig.sqs.peek("q")}
    assert ids == {outcome.job_id}


async def test_a_repeated_send_to_a_fifo_queue_is_one_message():
    """R28."""
    async with Rig(loses_the_answer()) as rig:
        assert isinstance(await rig.send(fifo()), Enqueued)
    assert len(rig.sqs.peek("q.fifo")) == 1


@pytest.mark.parametrize(
    "later",
    [fails(QueueNotFound), fails(RequestRejected), refuses(0, retryable=False), fails(Throttled), loses_the_answer()],
)
@pytest.mark.parametrize("make", [call, fifo])
async def test_a_doubt_outlives_every_later_refusal(later, make):
    """R28: never a plain failure once SQS may have the job."""
    async with Rig(loses_the_answer(), always=later, policy=IMPATIENT) as rig:
        outcome = await rig.send(make())
    assert isinstance(outcome.error, EnqueueUncertain)
    assert outcome.error.job_id == outcome.job_id
    assert isinstance(outcome.error.__cause__, TransportUnavailable)
    assert rig.events[-1].uncertain


async def test_a_request_that_did_not_leave_is_no_doubt():
    async with Rig(always=fails(TransportUnavailable, sent=False), policy=IMPATIENT) as rig:
        outcome = await rig.send(call())
    assert type(outcome.error) is TransportUnavailable


async def test_a_partial_failure_is_answered_entry_by_entry():
    """R29, I13."""
    async with Rig(refuses(1, 3, retryable=False)) as rig:
        outcomes = await rig.send_many([call(n) for n in range(5)])
    assert [type(outcome) for outcome in outcomes] == [Enqueued, NotEnqueued, Enqueued, NotEnqueued, Enqueued]
    assert isinstance(outcomes[1].error, EnqueueRejected)
    assert outcomes[1].error.code == "Bad"
    assert rig.queued() == [0, 2, 4]


async def test_only_the_refused_entries_are_sent_again_and_the_others_do_not_wait():
    """R29."""
    gate = asyncio.Event()
    async with Rig(refuses(1), waits_for(gate)) as rig:
        sends = [asyncio.create_task(rig.send(call(n))) for n in range(3)]
        await asyncio.gather(sends[0], sends[2])
        assert not sends[1].done()
        gate.set()
        assert isinstance(await sends[1], Enqueued)
    assert rig.batches() == [[0, 1, 2], [1]]


async def test_one_bad_message_does_not_take_its_batch_down():
    async def picky(messages, send):
        if any('"n": 2' in message.body or '"n":2' in message.body for message in messages):
            raise RequestRejected("illegal", operation="SendMessageBatch", code="InvalidMessageContents")
        return await send()

    async with Rig(always=picky) as rig:
        outcomes = await rig.send_many([call(n) for n in range(4)])
    assert [isinstance(outcome, Enqueued) for outcome in outcomes] == [True, True, False, True]
    assert outcomes[2].error.code == "InvalidMessageContents"
    assert rig.queued() == [0, 1, 3]


# FIFO -----------------------------------------------------------------------------------------------


async def test_a_fifo_queue_has_one_request_at_a_time_in_order():
    gate = asyncio.Event()
    async with Rig(waits_for(gate)) as rig:
        sends = [asyncio.create_task(rig.send(fifo(n))) for n in range(25)]
        while not rig.transport.requests:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert len(rig.transport.requests) == 1
        gate.set()
        await asyncio.gather(*sends)
    assert rig.queued("q.fifo") == list(range(25))


async def test_a_throttled_fifo_request_is_repeated_before_the_next():
    async with Rig(fails(Throttled), works, fails(TransportUnavailable)) as rig:
        await rig.send_many([fifo(n) for n in range(25)])
    assert rig.queued("q.fifo") == list(range(25))


async def test_a_refused_message_is_sent_again_with_its_followers_in_order():
    """R29: nothing of the group was accepted after it."""
    async with Rig(refuses(1, 2)) as rig:
        outcomes = await rig.send_many([fifo(0), fifo(1), fifo(2), fifo(3, group="other")])
    assert all(isinstance(outcome, Enqueued) for outcome in outcomes)
    assert rig.queued("q.fifo") == [0, 3, 1, 2]


async def test_a_refused_message_is_given_up_once_a_later_one_of_its_group_was_accepted():
    """R29: sent again, it would come after it."""
    async with Rig(refuses(0)) as rig:
        outcomes = await rig.send_many([fifo(0), fifo(1)])
    assert isinstance(outcomes[0].error, EnqueueRejected)
    assert rig.queued("q.fifo") == [1]


async def test_a_group_stops_at_its_first_failure_and_the_others_go_on():
    """R29."""
    calls = [fifo(n, group="ab"[n % 2]) for n in range(40)]
    async with Rig(refuses(8, retryable=False)) as rig:
        outcomes = await rig.send_many(calls)
    assert rig.queued("q.fifo") == [0, 1, 2, 3, 4, 5, 6, 7, *(n for n in range(9, 40) if n % 2)]
    stopped = [outcome.error for outcome in outcomes if isinstance(outcome, NotEnqueued)]
    assert [getattr(error, "code", "") for error in stopped] == ["Bad"] + ["GroupStopped"] * 15


async def test_a_group_stops_at_a_message_that_is_too_large():
    large: Call[object] = Call("t", "q.fifo", b'{"n": "' + b"x" * envelope.MAX_ENVELOPE_BYTES + b'"}', group="g")
    async with Rig() as rig:
        outcomes = await rig.send_many([fifo(0), large, fifo(2), fifo(3, group="other")])
    assert [isinstance(outcome, Enqueued) for outcome in outcomes] == [True, False, False, True]
    assert rig.queued("q.fifo") == [0, 3]


async def test_independent_sends_do_not_stop_each_other():
    async with Rig(refuses(0, retryable=False)) as rig:
        first = rig.send(fifo(0))
        second = rig.send(fifo(1))
        outcomes = await asyncio.gather(first, second)
    assert [isinstance(outcome, Enqueued) for outcome in outcomes] == [False, True]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["sent", "later", "never"])), max_size=10))
def test_what_is_sent_again_never_comes_after_what_followed_it(entries):
    """R29: by groups, everything that is sent again stood behind everything that was accepted."""
    answer: dict[str, Answer] = {"sent": Sent("m"), "later": NotSent("c", "p", True), "never": NotSent("c", "p", False)}
    groups = [group for group, _ in entries]
    again = again_in_order(groups, [answer[kind] for _, kind in entries])
    assert again == sorted(again)
    for n, (group, kind) in enumerate(entries):
        overtaken = any(other == (group, "sent") for other in entries[n + 1 :])
        assert (n in again) == (kind == "later" and not overtaken)


# Outages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [call, fifo])
async def test_in_an_outage_nobody_waits_much_longer_than_the_deadline(make):
    """Those who queue behind others that get no answer are told without a request of their own."""

    async def hangs(_messages, _send):
        await asyncio.sleep(0.05)
        raise TransportUnavailable("no answer", operation="SendMessageBatch")

    async with Rig(always=hangs, policy=SendPolicy(deadline=0.1, concurrency=1)) as rig:
        started = asyncio.get_running_loop().time()
        outcomes = await asyncio.gather(*(rig.send(make(n)) for n in range(200)))
        assert asyncio.get_running_loop().time() - started < 0.5
    kinds = Counter(type(outcome.error) for outcome in outcomes)
    assert set(kinds) == {EnqueueUncertain, TransportUnavailable}  # asked, and not asked


def test_the_retry_budget_spreads_retries_over_time():
    """R32."""
    budget = RetryBudget(rate=10, burst=5)
    times = [budget.reserve(now=100.0, earliest=100.0, latest=101.0) for _ in range(20)]
    granted = [at for at in times if at is not None]
    assert granted[:5] == [100.0] * 5
    assert granted[5:] == pytest.approx([100.1 + n / 10 for n in range(10)])
    assert times[15:] == [None] * 5
    assert budget.reserve(now=200.0, earliest=200.5, latest=201.0) == 200.5


# Records --------------------------------------------------------------------------------------------


class BrokenStore(MemoryStore):
    """Fails what it is told to."""

    def __init__(self, *operations: str) -> None:
        super().__init__()
        self.operations = operations

    async def insert(self, record):
        if "insert" in self.operations:
            raise StoreUnavailable("no store")
        return await super().insert(record)

    async def remove(self, job_id):
        if "remove" in self.operations:
            raise StoreUnavailable("no store")
        await super().remove(job_id)


async def test_the_record_is_there_before_the_message():
    seen: list[Any] = []

    async def look(messages: Any, send: Any) -> Any:
        seen.extend([await store.get(json.loads(message.body)["id"]) for message in messages])
        return await send()

    store = MemoryStore()
    async with Rig(always=look, store=store) as rig:
        await rig.send(call())
        await rig.send(call(delay=60))
    assert [record.status for record in seen] == [JobStatus.QUEUED, JobStatus.SCHEDULED]
    assert seen[1].not_before == pytest.approx(seen[1].enqueued_at + 60)


async def test_a_rejected_job_leaves_no_record():
    async with Rig(refuses(0, retryable=False), store=MemoryStore()) as rig:
        outcome = await rig.send(call(unique="u"))
        assert await rig.store.get(outcome.job_id) is None
        assert isinstance(await rig.send(call(unique="u")), Enqueued)


async def test_an_uncertain_job_keeps_its_record():
    async with Rig(always=loses_the_answer(), policy=IMPATIENT, store=MemoryStore()) as rig:
        outcome = await rig.send(call())
        record = await rig.store.get(outcome.job_id)
        assert record.status is JobStatus.QUEUED


async def test_an_uncertain_job_keeps_its_unique_key():
    """Perhaps SQS has it."""
    async with Rig(always=loses_the_answer(), policy=IMPATIENT, store=MemoryStore()) as rig:
        first = await rig.send(call(unique="u"))
        assert isinstance(first.error, EnqueueUncertain)
        assert await rig.send(call(unique="u")) == Enqueued(first.job_id, deduplicated=True)


async def test_a_job_that_cannot_be_recorded_is_not_sent():
    async with Rig(store=BrokenStore("insert")) as rig:
        outcome = await rig.send(call())
        assert isinstance(outcome.error, StoreUnavailable)
    assert rig.transport.requests == []


async def test_a_record_that_cannot_be_removed_is_told_and_the_rejection_stands():
    async with Rig(refuses(0, retryable=False), store=BrokenStore("remove")) as rig:
        outcome = await rig.send(call())
    assert isinstance(outcome.error, EnqueueRejected)
    assert [type(event) for event in rig.events] == [StoreFailed, JobNotEnqueued]


async def test_a_unique_job_is_sent_once():
    async with Rig(store=MemoryStore()) as rig:
        first, second = await rig.send_many([call(1, unique="u"), call(2, unique="u")])
        third = await rig.send(call(3, unique="u"))
    assert {first.job_id, second.job_id, third.job_id} == {first.job_id}
    assert [outcome.deduplicated for outcome in (first, second, third)] == [False, True, True]
    assert rig.queued() == [1]


async def test_unique_needs_a_store():
    async with Rig() as rig:
        outcome = await rig.send(call(unique="u"))
        assert isinstance(outcome.error, NoJobStore)
    assert rig.transport.requests == []


# Cancellation and endings ---------------------------------------------------------------------------


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_cancelled_caller_takes_nobody_down_and_its_own_record_is_true(recorded):
    gate = asyncio.Event()
    async with Rig(waits_for(gate), store=MemoryStore() if recorded else None) as rig:
        sends = [asyncio.create_task(rig.send(call(n))) for n in range(3)]
        while not rig.transport.requests:
            await asyncio.sleep(0)
        sends[1].cancel()
        gate.set()
        outcomes = await asyncio.gather(*sends, return_exceptions=True)
    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert isinstance(outcomes[0], Enqueued)
    assert isinstance(outcomes[2], Enqueued)
    assert sorted(rig.queued()) == [0, 1, 2]
    assert Counter(type(event) for event in rig.events) == {JobEnqueued: 3}


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_caller_who_is_cancelled_before_the_request_is_made_takes_nothing_back(recorded):
    async with Rig(store=MemoryStore() if recorded else None) as rig:
        send = asyncio.create_task(rig.send(call()))
        await asyncio.sleep(0)
        assert rig.transport.requests == []
        send.cancel()
    assert rig.queued() == [0]
    assert [type(event) for event in rig.events] == [JobEnqueued]


async def test_a_cancelled_caller_whose_job_is_rejected_leaves_no_record():
    gate = asyncio.Event()
    async with Rig(waits_for(gate, refuses(0, retryable=False)), store=MemoryStore()) as rig:
        send = asyncio.create_task(rig.send(call()))
        while not rig.transport.requests:
            await asyncio.sleep(0)
        send.cancel()
        gate.set()
        await asyncio.wait([send])
        await rig.producer.__aexit__()
        (event,) = rig.events
        assert await rig.store.get(event.job_id) is None


async def test_a_cancelled_send_many_stops_after_the_chunk_that_is_on_its_way():
    gate = asyncio.Event()
    async with Rig(waits_for(gate), policy=SendPolicy(chunk=5)) as rig:
        sending = asyncio.create_task(rig.send_many(call(n) for n in range(50)))
        while not rig.transport.requests:
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])
        gate.set()
    assert sorted(rig.queued()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("cancelled", [True, False])
async def test_leaving_waits_for_what_is_on_its_way_and_tried_again(recorded, cancelled):
    gate = asyncio.Event()
    async with Rig(waits_for(gate, refuses(0)), store=MemoryStore() if recorded else None) as rig:
        send = asyncio.create_task(rig.send(call()))
        while not rig.transport.requests:
            await asyncio.sleep(0)
        if cancelled:
            send.cancel()
        gate.set()
    assert len(rig.transport.requests) == 2
    assert rig.queued() == [0]
    assert [type(event) for event in rig.events] == [JobEnqueued]
    await asyncio.wait([send])
    assert send.cancelled() == cancelled
    assert cancelled or isinstance(send.result(), Enqueued)


async def test_many_calls_are_taken_from_their_source_a_chunk_at_a_time():
    taken = 0

    def calls() -> Iterator[Call[object]]:
        nonlocal taken
        for n in range(100):
            taken += 1
            yield call(n)

    async with Rig(policy=SendPolicy(chunk=10)) as rig:
        outcomes = rig.producer.send_many(calls())
        await anext(outcomes)
        assert taken == 10
        assert len([outcome async for outcome in outcomes]) == 99


async def test_a_source_that_fails_early_sends_nothing():
    def calls() -> Iterator[Call[object]]:
        yield call(0)
        raise ValueError("bad row")

    async with Rig() as rig:
        with pytest.raises(ValueError, match="bad row"):
            await rig.send_many(calls())
    assert rig.transport.requests == []


async def test_a_source_that_fails_late_has_everything_before_sent():
    def calls() -> Iterator[Call[object]]:
        yield from map(call, range(7))
        raise ValueError("bad row")

    outcomes = []
    async with Rig(policy=SendPolicy(chunk=5)) as rig:
        with pytest.raises(ValueError, match="bad row"):
            outcomes.extend([outcome async for outcome in rig.producer.send_many(calls())])
    assert sorted(rig.queued()) == list(range(7))


@given(
    answers=st.lists(st.sampled_from(["ok", "throttled", "lost", "unsent", "denied", "partial", "bad"]), max_size=12),
    jobs=st.integers(1, 30),
    in_order=st.booleans(),
)
def test_every_call_has_exactly_one_true_outcome(answers, jobs, in_order):
    """I13, R28, R29: accepted means that it is there, rejected that it is not; only uncertain may be either."""
    steps = {
        "ok": works,
        "throttled": fails(Throttled),
        "lost": loses_the_answer(),
        "unsent": fails(TransportUnavailable, sent=False),
        "denied": fails(AccessDenied),
        "partial": refuses(0),
        "bad": refuses(0, retryable=False),
    }

    async def scenario() -> None:
        make = fifo if in_order else call
        policy = SendPolicy(deadline=0.05, first_pause=0.0001, longest_pause=0.0001)
        async with Rig(*(steps[answer] for answer in answers), policy=policy, store=MemoryStore()) as rig:
            outcomes = await rig.send_many([make(n) for n in range(jobs)])
            present = set(rig.queued("q.fifo" if in_order else "q"))
            assert len(outcomes) == jobs
            for n, outcome in enumerate(outcomes):
                match outcome:
                    case Enqueued():
                        assert n in present
                    case NotEnqueued(error=EnqueueUncertain()):
                        pass
                    case NotEnqueued(job_id=job_id):
                        assert n not in present
                        assert await rig.store.get(job_id) is None
            told = Counter(event.job_id for event in rig.events)
            assert set(told.values()) == {1}
            assert len(told) == jobs
            if in_order:
                queued = rig.queued("q.fifo")
                assert queued == sorted(queued)

    asyncio.run(scenario())
