"""The book of leases: plain, synchronous, with a clock that the test moves."""

from __future__ import annotations

import asyncio
from itertools import count
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.trials import examples

from sqsjobs.context import LeaseState
from sqsjobs.transport.base import MAX_VISIBILITY, Delivery, Done, EntryFailed
from sqsjobs.transport.memory import MemoryTransport
from sqsjobs.transport.memory_sqs import MemorySQS
from sqsjobs.worker.heartbeat import Heart
from sqsjobs.worker.lease import CAP_MARGIN, LeaseBook
from sqsjobs.worker.watchdog import Watchdog

GONE = EntryFailed("ReceiptHandleIsInvalid", "no such receipt", retryable=False, lease_over=True)
BUSY = EntryFailed("InternalError", "come back", retryable=True)


class MovedClock:
    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time


def build(visibility: float = 60.0) -> tuple[MovedClock, LeaseBook]:
    clock = MovedClock()
    return clock, LeaseBook(visibility=visibility, interval=visibility / 3, clock=clock, random=Random(3))


_ids = count()


def delivery(handle: str = "h1", message_id: str = "") -> Delivery:
    return Delivery("work", message_id or f"m{next(_ids)}", handle, "{}")


def test_a_deadline_counts_from_before_the_receive_was_sent():
    """R17: a lease never seems to last longer than SQS lets it; a late answer is part of its time."""
    clock, book = build()
    clock.time = 112.0
    lease = book.grant(delivery(), asked_at=100.0)
    assert lease.deadline == 160.0
    assert lease.remaining == 48.0


def test_a_late_arrival_is_due_at_once():
    """The receive's answer came when the first heartbeat was due already."""
    clock, book = build()
    clock.time = 130.0
    lease = book.grant(delivery(), asked_at=100.0)
    (beat,) = book.due()
    assert beat.leases == (lease,)


def test_beats_go_out_in_tens_and_take_along_what_is_nearly_due():
    clock, book = build()
    for n in range(25):
        book.grant(delivery(), asked_at=100.0 + n / 100)
    clock.time = first = min(lease.next_beat for lease in book.held())
    (beat,) = book.due()
    assert len(beat.leases) == 10
    assert [lease.next_beat <= first for lease in beat.leases] == [True] + [False] * 9
    assert book.due() == []  # they are on their way, and the others have time
    clock.time = 122.5
    assert sorted(len(beat.leases) for beat in book.due()) == [5, 10]


async def test_a_beat_that_was_planned_before_a_standstill_is_not_sent():
    """I6, R12: a process may be suspended between any two of its steps; the lease may be over when it goes on."""
    clock, book = build(visibility=1.0)
    lease = book.grant(delivery(), asked_at=clock.time)
    watchdog = Watchdog(warn_after=60, alarm_after=60, observer=lambda _: None, clock=clock)
    heart = Heart(book, notify=lambda _: None, watchdog=watchdog, stall_limit=60, observer=lambda _: None, clock=clock)
    sqs = MemorySQS()
    asked = []
    sqs.faults = lambda operation, _: asked.append(operation)
    sqs.create_queue("work")
    async with MemoryTransport(sqs) as transport:
        beating = asyncio.create_task(heart.beat_until_stopped(asyncio.Event(), transport, None))
        clock.time = lease.next_beat
        asyncio.get_running_loop().call_soon(setattr, clock, "time", lease.deadline)  # after the plan, before the beat
        while not lease.lost:
            await asyncio.sleep(0)
        beating.cancel()
        await asyncio.wait([beating])
    assert asked == []


def test_a_beat_counts_from_before_it_was_sent():
    """R17: the answer may take seconds."""
    clock, book = build()
    lease = book.grant(delivery(), asked_at=100.0)
    clock.time = 125.0
    (beat,) = book.due()
    clock.time = 131.0
    assert book.beaten(beat, [Done()], asked_at=125.0) == []
    assert lease.deadline == 185.0


def test_a_lease_is_lost_when_sqs_says_so():
    """R16: definitive, whatever the local clock says."""
    clock, book = build()
    lease = book.grant(delivery(), asked_at=100.0)
    clock.time = 125.0
    (beat,) = book.due()
    assert book.beaten(beat, [GONE], asked_at=125.0) == [lease]
    assert (lease.state, lease.remaining) == (LeaseState.LOST, 0.0)
    clock.time = 150.0
    assert book.due() == []


def test_a_beat_that_is_waited_for_before_a_change_says_that_there_is_nothing_left_to_change():
    """I6: the lease was lost while it was being let go; nobody else need hear of it."""
    clock, book = build()
    lease = book.grant(delivery(), asked_at=100.0)
    clock.time = 125.0
    (beat,) = book.due()
    assert book.drop(lease) is not None
    assert book.beaten(beat, [GONE], asked_at=125.0) == []
    assert lease.state is LeaseState.LOST


def test_a_transient_error_is_tried_again_until_the_deadline_and_then_the_lease_is_lost():
    """R15 and R17: neither the first error nor none at all ends a lease, its deadline does."""
    clock, book = build()
    lease = book.grant(delivery(), asked_at=100.0)
    tries = 0
    while clock.time < 159.5:
        for beat in book.due():
            tries += 1
            assert book.beaten(beat, [BUSY], asked_at=clock.time) == []
        clock.time += 0.5
    assert tries >= 6
    assert book.expired() == []
    clock.time = 160.0
    assert book.expired() == [lease]
    assert book.expired() == []
    assert lease.state is LeaseState.LOST


def test_what_has_left_the_book_is_never_beaten_again():
    """R18: a heartbeat dies with its job."""
    clock, book = build()
    lease = book.grant(delivery(), asked_at=100.0)
    assert book.drop(lease) is None
    clock.time = 150.0
    assert book.due() == []
    assert len(book) == 0
    assert book.expired() == []


def test_a_beat_on_its_way_is_waited_for():
    """R19: whoever drops a lease learns when its last heartbeat has landed, well or badly."""
    for end in (lambda book, beat: book.beaten(beat, [Done()], 120.0), lambda book, beat: book.failed(beat)):
        clock, book = build()
        lease = book.grant(delivery(), asked_at=100.0)
        clock.time = 125.0
        (beat,) = book.due()
        landed = book.drop(lease)
        assert landed is not None
        assert not landed.done()
        end(book, beat)
        assert landed.done()


async def test_who_waits_for_a_beat_no_longer_takes_nothing_from_the_heart():
    """A settling that is cancelled while a beat is on its way ends neither the heart nor the waiting of others."""
    clock, book = build()
    lease = book.grant(delivery(), asked_at=100.0)
    clock.time = 125.0
    (beat,) = book.due()
    landed = book.drop(lease)
    assert landed is not None
    impatient, patient = asyncio.wrap_future(landed), asyncio.wrap_future(landed)
    impatient.cancel()
    await asyncio.sleep(0)
    book.failed(beat)
    await patient


def test_a_message_that_is_being_deleted_may_be_gone():
    """R20: a beat that finds the message deleted is no lost lease."""
    clock, book = build()
    lease = book.grant(delivery(), asked_at=100.0)
    clock.time = 125.0
    (beat,) = book.due()
    lease.leaving = True
    assert book.beaten(beat, [GONE], asked_at=125.0) == []


def test_a_second_receipt_of_a_message_goes_on_under_its_own_handle():
    """R24: the newest handle counts; that the old one is refused then says nothing."""
    clock, book = build()
    lease = book.grant(delivery("h1", "same"), asked_at=100.0)
    clock.time = 125.0
    (beat,) = book.due()
    book.renew(lease, delivery("h2", "same"), asked_at=126.0)
    assert book.beaten(beat, [GONE], asked_at=125.0) == []
    (again,) = book.due()
    assert again.changes == (("h2", 60.0),)


def test_the_twelve_hours_are_announced_while_something_can_be_done_and_never_asked_beyond():
    """R21: SQS refuses what would end later than 12 h after the receipt; a long visibility gets what is left."""
    for visibility in (60.0, 7200.0):
        clock, book = build(visibility)
        lease = book.grant(delivery(), asked_at=100.0)
        announced = None
        while not book.expired():
            for beat in book.due():
                ((_, seconds),) = beat.changes
                assert clock.time - 100.0 + seconds <= MAX_VISIBILITY - 1
                book.beaten(beat, [Done()], asked_at=clock.time)
            if book.capped():
                assert announced is None
                announced = clock.time
                assert lease.remaining > 0
            clock.time += 5
        assert announced == pytest.approx(100.0 + MAX_VISIBILITY - CAP_MARGIN, abs=10)
        assert clock.time == pytest.approx(100.0 + MAX_VISIBILITY, abs=10)


@examples(150)
@given(data=st.data(), visibility=st.floats(1, 600))
def test_no_deadline_is_ever_later_than_the_servers(data, visibility):
    """I5: whatever is delayed, lost or refused, the local deadline is not after the moment at which SQS shows the message."""
    clock, book = build(visibility)
    asked_at = clock.time
    clock.time += data.draw(st.floats(0, visibility), "the receive's way there")
    received_at = clock.time
    shown_at = received_at + visibility
    clock.time += data.draw(st.floats(0, visibility), "and back")
    lease = book.grant(delivery(), asked_at)
    for _ in range(data.draw(st.integers(0, 30))):
        assert lease.deadline <= shown_at + 1e-6
        clock.time += data.draw(st.floats(0, visibility / 2))
        book.expired()
        for beat in book.due():
            sent_at = clock.time
            clock.time += data.draw(st.floats(0, visibility / 4), "there")
            fate = data.draw(st.sampled_from(["done", "refused", "lost on the way", "answer lost"]))
            ((_, seconds),) = beat.changes
            if fate in ("done", "answer lost") and clock.time < shown_at:
                shown_at = clock.time + seconds
                assert shown_at <= received_at + MAX_VISIBILITY
            elif fate == "done":
                fate = "refused"
            clock.time += data.draw(st.floats(0, visibility / 4), "and back")
            if fate in ("lost on the way", "answer lost"):
                book.failed(beat)
            else:
                book.beaten(beat, [Done() if fate == "done" else BUSY], sent_at)
    assert lease.deadline <= shown_at + 1e-6
